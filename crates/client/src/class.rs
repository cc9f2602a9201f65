//! The class of an error, and a default message for end users.

use std::fmt;

use demur_contract::{Condition, RetryClass};

/// The class of an error: what the caller can do about it.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// The API key is missing, invalid, revoked or expired.
    Authentication,
    /// The API key is valid but does not permit the request.
    Permission,
    /// The request is invalid.
    Validation,
    /// The request conflicts with the state of the resource, or with another request.
    Conflict,
    /// A rate limit or quota is exceeded.
    Limit,
    /// No credits, or no active plan.
    Payment,
    /// The resource does not exist.
    NotFound,
    /// The server failed, or took too long.
    Server,
}

/// The retry class of a status, without a contract.
pub(crate) fn default_class(status: u16) -> RetryClass {
    match status {
        429 => RetryClass::AfterDelay,
        // RFC 9110, section 15.5.9, and RFC 8470, section 5.2: the same request may be sent again.
        408 | 425 => RetryClass::Backoff,
        // Not implemented now means not implemented at the retry.
        501 | 505 => RetryClass::Never,
        500..=599 => RetryClass::Backoff,
        400 | 401 | 402 | 403 | 422 => RetryClass::AfterFix,
        _ => RetryClass::Never,
    }
}

/// The messages for end users by language, in the order of [`ErrorClass`].
const MESSAGES: [(&str, [&str; 8]); 5] = [
    (
        "en",
        [
            "You could not be signed in.",
            "You are not allowed to do this.",
            "The information was not accepted. Please check it.",
            "This conflicts with another change. Please reload and try again.",
            "That was too much at once. Please try again later.",
            "A payment or an active plan is needed.",
            "That could not be found.",
            "The service is having trouble. Please try again later.",
        ],
    ),
    (
        "de",
        [
            "Die Anmeldung wurde nicht angenommen.",
            "Dafür fehlt die Berechtigung.",
            "Die Angaben wurden nicht angenommen. Bitte prüfen Sie sie.",
            "Das widerspricht einer anderen Änderung. Bitte laden Sie neu und versuchen Sie es noch einmal.",
            "Das waren zu viele Anfragen. Bitte versuchen Sie es später noch einmal.",
            "Dafür ist eine Zahlung oder ein aktiver Tarif nötig.",
            "Das wurde nicht gefunden.",
            "Der Dienst ist gestört. Bitte versuchen Sie es später noch einmal.",
        ],
    ),
    (
        "es",
        [
            "No se ha aceptado la autenticación.",
            "No tiene permiso para esto.",
            "Los datos no se han aceptado. Compruébelos.",
            "Esto entra en conflicto con otro cambio. Vuelva a cargar e inténtelo de nuevo.",
            "Demasiadas solicitudes. Inténtelo de nuevo más tarde.",
            "Se necesita un pago o un plan activo.",
            "No se ha encontrado.",
            "El servicio tiene problemas. Inténtelo de nuevo más tarde.",
        ],
    ),
    (
        "fr",
        [
            "L’authentification a été refusée.",
            "Vous n’avez pas l’autorisation nécessaire.",
            "Les données n’ont pas été acceptées. Veuillez les vérifier.",
            "Cela est en conflit avec une autre modification. Veuillez recharger et réessayer.",
            "Trop de demandes. Veuillez réessayer plus tard.",
            "Un paiement ou un abonnement actif est nécessaire.",
            "Introuvable.",
            "Le service est perturbé. Veuillez réessayer plus tard.",
        ],
    ),
    (
        "it",
        [
            "L’autenticazione non è stata accettata.",
            "Non ha l’autorizzazione necessaria.",
            "I dati non sono stati accettati. Li controlli.",
            "È in conflitto con un’altra modifica. Ricarichi e riprovi.",
            "Troppe richieste. Riprovi più tardi.",
            "È necessario un pagamento o un piano attivo.",
            "Non è stato trovato.",
            "Il servizio ha dei problemi. Riprovi più tardi.",
        ],
    ),
];

impl ErrorClass {
    /// Every class.
    pub const ALL: [ErrorClass; 8] = [
        Self::Authentication,
        Self::Permission,
        Self::Validation,
        Self::Conflict,
        Self::Limit,
        Self::Payment,
        Self::NotFound,
        Self::Server,
    ];

    /// The class of a status code.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 | 407 => Self::Authentication,
            402 => Self::Payment,
            403 | 451 => Self::Permission,
            404 | 410 => Self::NotFound,
            // The same request may succeed later; there is nothing in it to correct.
            408 | 425 => Self::Server,
            409 | 412 | 423 | 428 => Self::Conflict,
            429 => Self::Limit,
            400..=499 => Self::Validation,
            _ => Self::Server,
        }
    }

    /// The class of a condition.
    pub(crate) fn of_condition(condition: Condition) -> Self {
        const CLASSES: [(&str, ErrorClass); 16] = [
            ("credential.throttled", ErrorClass::Limit),
            ("credential", ErrorClass::Authentication),
            ("permission", ErrorClass::Permission),
            ("plan.required", ErrorClass::Permission),
            ("plan.inactive", ErrorClass::Payment),
            ("credits.exhausted", ErrorClass::Payment),
            ("credits.held", ErrorClass::Limit),
            ("rate", ErrorClass::Limit),
            ("quota", ErrorClass::Limit),
            ("body", ErrorClass::Validation),
            ("param", ErrorClass::Validation),
            ("resource.not_found", ErrorClass::NotFound),
            ("resource.gone", ErrorClass::NotFound),
            ("resource.exists", ErrorClass::Conflict),
            ("resource.conflict", ErrorClass::Conflict),
            ("idempotency", ErrorClass::Conflict),
        ];
        let known = CLASSES.iter().find(|(branch, _)| condition.covered_by(branch));
        known.map_or_else(|| Self::of_status(condition.defaults().status), |(_, class)| *class)
    }

    /// A message for end users in the language of a locale such as `de-AT`, or in English if there is no translation.
    pub fn user_message(self, locale: &str) -> &'static str {
        let language = locale.split(['-', '_']).next().unwrap_or_default();
        let translated = MESSAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(language));
        let (_, messages) = translated.unwrap_or(&MESSAGES[0]);
        messages[self as usize]
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::Validation => "validation",
            Self::Conflict => "conflict",
            Self::Limit => "limit",
            Self::Payment => "payment",
            Self::NotFound => "not found",
            Self::Server => "server",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use demur_contract::{Contract, builtin};

    #[test]
    fn every_class_has_a_message_of_its_own_in_each_language() {
        for (language, messages) in MESSAGES {
            for (position, class) in ErrorClass::ALL.into_iter().enumerate() {
                assert_eq!(class as usize, position);
                assert_eq!(
                    class.user_message(&format!("{}-XX", language.to_uppercase())),
                    messages[position]
                );
                assert_eq!(messages.iter().filter(|other| **other == messages[position]).count(), 1);
            }
        }
        assert_eq!(ErrorClass::Payment.user_message("ja"), "A payment or an active plan is needed.");
    }

    #[test]
    fn every_language_of_a_built_in_contract_has_messages() {
        for name in builtin::names() {
            let contract = Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
            for tag in contract.locales() {
                let language = tag.split('-').next().unwrap();
                assert!(MESSAGES.iter().any(|(known, _)| *known == language), "{name}: {tag}");
            }
        }
    }

    #[test]
    fn statuses_and_conditions_have_the_class_of_their_meaning() {
        for (status, class) in [
            (400, ErrorClass::Validation),
            (402, ErrorClass::Payment),
            (408, ErrorClass::Server),
            (409, ErrorClass::Conflict),
            (412, ErrorClass::Conflict),
            (422, ErrorClass::Validation),
            (451, ErrorClass::Permission),
            (503, ErrorClass::Server),
        ] {
            assert_eq!(ErrorClass::of_status(status), class, "{status}");
        }
        for condition in Condition::all() {
            let class = ErrorClass::of_condition(condition);
            let of_status = ErrorClass::of_status(condition.defaults().status);
            let differs =
                ["plan.", "idempotency.mismatch"].iter().any(|name| condition.name().starts_with(name));
            assert!(class == of_status || differs, "{condition}: {class} and {of_status}");
        }
    }
}
