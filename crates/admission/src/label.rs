//! Labels of keys: what a key is for, in the operator's words.

use crate::CommandFault;

/// Rejects a label that is empty, too long, or not on one line.
pub fn check_label(label: Option<&str>) -> Result<(), CommandFault> {
    const MAX_BYTES: usize = 200;
    let is_label = |label: &str| {
        (1..=MAX_BYTES).contains(&label.len())
            && !label.trim().is_empty()
            && !label.chars().any(char::is_control)
    };
    if label.is_none_or(is_label) {
        return Ok(());
    }
    let cause =
        format!("a label must have 1 to {MAX_BYTES} bytes, without line breaks and control characters");
    Err(CommandFault::Unreadable { cause })
}
