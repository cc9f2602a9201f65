//! The answer matrix as one HTML page, which needs no other file.

use demur_matrix::Matrix;
use minijinja::{Environment, Error, context};

/// Renders the matrix: for each operation a table of its errors, with causes and answers.
pub fn matrix_page(matrix: &Matrix) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.add_template("matrix.html", include_str!("../templates/matrix.html"))?;
    environment.get_template("matrix.html")?.render(context! { matrix })
}
