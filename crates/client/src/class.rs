//! The class of an error, and a default message for end users.

use std::fmt;

/// The class of an error: what the caller can do about it.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// The API key is missing, invalid, revoked or expired.
    Authentication,
    /// The API key is valid but does not permit the request.
    Permission,
    /// The request is invalid, or conflicts with the state of the resource.
    Validation,
    /// A rate limit or quota is exceeded.
    Limit,
    /// No credits, or no active plan.
    Payment,
    /// The resource does not exist.
    NotFound,
    /// The server failed.
    Server,
}

impl ErrorClass {
    /// The class of a status code.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 | 407 => Self::Authentication,
            402 => Self::Payment,
            403 => Self::Permission,
            404 | 410 => Self::NotFound,
            429 => Self::Limit,
            400..=499 => Self::Validation,
            _ => Self::Server,
        }
    }

    /// A message for end users in the language of a locale such as `de-AT`, or in English if there is no translation.
    pub fn user_message(self, locale: &str) -> &'static str {
        let language = locale.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        match (language.as_str(), self) {
            ("de", Self::Authentication) => "Die Anmeldung wurde nicht angenommen.",
            ("de", Self::Permission) => "Dafür fehlt die Berechtigung.",
            ("de", Self::Validation) => "Die Angaben wurden nicht angenommen. Bitte prüfen Sie sie.",
            ("de", Self::Limit) => "Das waren zu viele Anfragen. Bitte versuchen Sie es später noch einmal.",
            ("de", Self::Payment) => "Das Guthaben ist aufgebraucht.",
            ("de", Self::NotFound) => "Das wurde nicht gefunden.",
            ("de", Self::Server) => "Der Dienst ist gestört. Bitte versuchen Sie es später noch einmal.",
            ("fr", Self::Authentication) => "L’authentification a été refusée.",
            ("fr", Self::Permission) => "Vous n’avez pas l’autorisation nécessaire.",
            ("fr", Self::Validation) => "Les données n’ont pas été acceptées. Veuillez les vérifier.",
            ("fr", Self::Limit) => "Trop de demandes. Veuillez réessayer plus tard.",
            ("fr", Self::Payment) => "Le crédit est épuisé.",
            ("fr", Self::NotFound) => "Introuvable.",
            ("fr", Self::Server) => "Le service est perturbé. Veuillez réessayer plus tard.",
            ("es", Self::Authentication) => "No se ha aceptado la autenticación.",
            ("es", Self::Permission) => "No tiene permiso para esto.",
            ("es", Self::Validation) => "Los datos no se han aceptado. Compruébelos.",
            ("es", Self::Limit) => "Demasiadas solicitudes. Inténtelo de nuevo más tarde.",
            ("es", Self::Payment) => "El saldo se ha agotado.",
            ("es", Self::NotFound) => "No se ha encontrado.",
            ("es", Self::Server) => "El servicio tiene problemas. Inténtelo de nuevo más tarde.",
            (_, Self::Authentication) => "You could not be signed in.",
            (_, Self::Permission) => "You are not allowed to do this.",
            (_, Self::Validation) => "The information was not accepted. Please check it.",
            (_, Self::Limit) => "That was too much at once. Please try again later.",
            (_, Self::Payment) => "There are no credits left.",
            (_, Self::NotFound) => "That could not be found.",
            (_, Self::Server) => "The service is having trouble. Please try again later.",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::Validation => "validation",
            Self::Limit => "limit",
            Self::Payment => "payment",
            Self::NotFound => "not found",
            Self::Server => "server",
        })
    }
}
