//! `demur matrix`: every error of every operation, with its causes and its exact response.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use demur_engine::Api;
use demur_gateway::Config;
use demur_matrix::{ContractMatrix, Matrix};
use demur_publish::matrix_page;
use demur_source::did_you_mean;

use crate::args::MatrixArgs;
use crate::exit::{CommandFailure, Exit};
use crate::output::{Output, counted};
use crate::progress::Progress;
use crate::serving::load;

pub(crate) fn run(args: &MatrixArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let config = load(&args.config, output)?;
    let mut matrix = build(config, output);
    if let Some(name) = &args.api {
        let known: Vec<&str> = matrix.apis.iter().map(|api| api.name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            let help = did_you_mean(name, known.iter().copied()).map_or_else(
                || format!("APIs: {}", known.join(", ")),
                |known| format!("did you mean `{known}`?"),
            );
            return Err(CommandFailure::usage(format!("unknown API `{name}`"), help));
        }
        matrix.apis.retain(|api| api.name == *name);
    }
    if let Some(path) = &args.report_json {
        write(path, output, |file| matrix.to_json(file))?;
    }
    if let Some(path) = &args.report_html {
        let page =
            matrix_page(&matrix).map_err(|error| CommandFailure::unavailable(error.to_string(), None))?;
        write(path, output, |file| file.write_all(page.as_bytes()))?;
    }
    if output.is_json() {
        let written = matrix.to_json(std::io::stdout().lock()).and_then(|()| writeln!(std::io::stdout()));
        return match written {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(CommandFailure::unavailable(format!("standard output: {error}"), None))
            }
            _ => Ok(Exit::Ok),
        };
    }
    let contracts = matrix.apis.iter().flat_map(|api| &api.contracts);
    let tables: Vec<String> = contracts.map(table).collect();
    output.result(&tables.join("\n\n"), &());
    Ok(Exit::Ok)
}

/// Builds the matrix of a configuration.
pub(crate) fn build(config: Config, output: &Output) -> Matrix {
    let (apis, plans) = apis(config);
    let operations =
        |api: &Arc<Api>| api.settings().document.operations().len() * api.settings().contracts().count();
    let progress = Progress::bar(output, "building the matrix", apis.iter().map(operations).sum());
    Matrix::build_with_progress(&apis, &plans, |done| progress.advance_to(done))
}

/// The APIs and plans of a configuration.
pub(crate) fn apis(config: Config) -> (Vec<Arc<Api>>, Vec<demur_admission::Plan>) {
    (config.apis.into_iter().map(|api| Api::new(api.settings)).collect(), config.plans)
}

fn write(
    path: &Path,
    output: &Output,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), CommandFailure> {
    let written = File::create(path).and_then(|file| {
        let mut file = BufWriter::new(file);
        fill(&mut file)?;
        file.flush()
    });
    written.map_err(|error| CommandFailure::unavailable(format!("{}: {error}", path.display()), None))?;
    output.note(&format!("wrote {}", path.display()));
    Ok(())
}

/// A table of all cells. A document can have a hundred thousand of them, which the tables of other commands are not made
/// for.
fn table(contract: &ContractMatrix) -> String {
    let mut rows: Vec<[String; 5]> =
        vec![["OPERATION", "STATUS", "ERROR", "CONDITION", "CAUSE"].map(str::to_owned)];
    for operation in &contract.operations {
        for cell in &operation.cells {
            let cause = cell.causes.first().map(|cause| cause.text.as_str()).unwrap_or_default();
            let more = (cell.causes.len() + cell.more_causes).saturating_sub(1);
            let cause = if more > 0 { format!("{cause} (and {more} more)") } else { cause.to_owned() };
            let status = cell.answer.status.to_string();
            rows.push([operation.id.clone(), status, cell.error.clone(), cell.condition.clone(), cause]);
        }
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [w0, w1, w2, w3] = [width(0), width(1), width(2), width(3)];
    let mut text = format!(
        "{}: {} of {}, {}",
        contract.id,
        counted(contract.errors.len(), "error"),
        counted(contract.operations.len(), "operation"),
        counted(rows.len() - 1, "cell"),
    );
    for [operation, status, error, condition, cause] in &rows {
        text.push_str(&format!("\n  {operation:w0$}  {status:w1$}  {error:w2$}  {condition:w3$}  {cause}"));
    }
    text
}
