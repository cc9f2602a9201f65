//! Rust source as far as the structure of a crate needs it: without comments, texts and test modules, and the paths in it.

/// A path that a module refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) segments: Vec<String>,
    /// The name under which a re-export is visible. `*` for all of a module.
    pub(crate) exported_as: Option<String>,
}

/// The source with every comment, text and character literal replaced by blanks.
pub(crate) fn without_texts(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = text_end(bytes, at);
        if end > at {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The end of the comment or literal that begins here; `at` itself where none does.
fn text_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let is_word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + rest.windows(2).position(|two| two == b"*/").map_or(rest.len(), |end| end + 2);
    }
    let prefix = rest.iter().take_while(|byte| matches!(byte, b'b' | b'c' | b'r')).count();
    let raw = &rest[prefix.min(rest.len())..];
    if !is_word_before && prefix > 0 && prefix <= 2 && rest[prefix - 1] == b'r' {
        let hashes = raw.iter().take_while(|byte| **byte == b'#').count();
        if raw.get(hashes) == Some(&b'"') {
            let close: Vec<u8> = [b"\"".to_vec(), vec![b'#'; hashes]].concat();
            let body = &raw[hashes + 1..];
            let length = body.windows(close.len()).position(|window| window == close);
            return at + prefix + hashes + 1 + length.map_or(body.len(), |length| length + close.len());
        }
    }
    match rest.first() {
        Some(b'"') => at + quoted_end(rest, b'"'),
        // A lifetime has no closing quote after one character.
        Some(b'\'') if rest.get(1) == Some(&b'\\') => at + quoted_end(rest, b'\''),
        Some(b'\'') => {
            let width = rest[1..].iter().take_while(|byte| **byte >= 0x80).count().max(1);
            if rest.get(1 + width) == Some(&b'\'') { at + width + 2 } else { at }
        }
        _ => at,
    }
}

fn quoted_end(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The source without modules and other items that are compiled for tests only, and the names of such modules in files of
/// their own.
pub(crate) fn without_tests(source: &str) -> (String, Vec<String>) {
    const TEST: &str = "#[cfg(test)]";
    let (mut out, mut rest, mut modules) = (String::new(), source, Vec::new());
    while let Some(start) = rest.find(TEST) {
        out.push_str(&rest[..start]);
        let item = &rest[start + TEST.len()..];
        let end = match item.find(['{', ';']) {
            Some(end) if item.as_bytes()[end] == b';' => {
                if let Some((_, name)) = item[..end].split_once("mod ") {
                    modules.push(name.trim().to_owned());
                }
                end + 1
            }
            Some(open) => block_end(item, open),
            None => item.len(),
        };
        rest = &item[end..];
    }
    out.push_str(rest);
    (out, modules)
}

fn block_end(text: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// All paths of a source without texts: those of its `use` items, and those of more than one segment elsewhere.
pub(crate) fn references(source: &str) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut tokens = tokens(source).peekable();
    let mut is_public = false;
    while let Some(token) = tokens.next() {
        match token {
            "use" => {
                let mut tree = Vec::new();
                tokens.by_ref().take_while(|token| *token != ";").for_each(|token| tree.push(token));
                use_tree(&mut tree.into_iter().peekable(), &[], is_public, &mut found);
            }
            "pub" => {
                is_public = true;
                // The scope of `pub(crate)` is no path to anything.
                if tokens.peek() == Some(&"(") {
                    tokens.by_ref().find(|token| *token == ")");
                }
                continue;
            }
            word if is_word(word) => {
                let mut segments = vec![word.to_owned()];
                while tokens.peek() == Some(&"::") {
                    tokens.next();
                    match tokens.next_if(|token| is_word(token)) {
                        Some(next) => segments.push(next.to_owned()),
                        None => break,
                    }
                }
                if segments.len() > 1 {
                    found.push(Reference { segments, exported_as: None });
                }
            }
            _ => {}
        }
        is_public = false;
    }
    found
}

fn use_tree<'s, T: Iterator<Item = &'s str>>(
    tokens: &mut std::iter::Peekable<T>,
    before: &[String],
    is_public: bool,
    found: &mut Vec<Reference>,
) {
    let mut path = before.to_vec();
    let mut alias = None;
    while let Some(token) = tokens.next() {
        match token {
            "::" => {}
            "{" => {
                while tokens.peek().is_some_and(|token| *token != "}") {
                    use_tree(tokens, &path, is_public, found);
                    tokens.next_if(|token| *token == ",");
                }
                tokens.next();
                return;
            }
            "as" => alias = tokens.next(),
            word => path.push(word.to_owned()),
        }
        if tokens.peek().is_some_and(|token| matches!(*token, "," | "}")) {
            break;
        }
    }
    let last = path.last().cloned().unwrap_or_default();
    if last == "self" || last == "*" {
        path.pop();
    }
    let name = alias
        .map_or(if last == "self" { path.last().cloned().unwrap_or_default() } else { last }, str::to_owned);
    found.push(Reference { segments: path, exported_as: is_public.then_some(name) });
}

fn is_word(token: &str) -> bool {
    token.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
}

fn tokens(source: &str) -> impl Iterator<Item = &str> {
    let mut rest = source;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
        let first = rest.chars().next()?;
        let length = match first {
            char if is_word(char) => rest.find(|char| !is_word(char)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            char => char.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        Some(token)
    })
}

#[test]
fn reads_paths_and_ignores_texts_and_tests() {
    let source = r##"
        //! crate::comment::Only
        pub use inner::Item as Name;
        pub(crate) use crate::other::{self, deep::{One, Two as Three}, *};
        const TEXT: &str = "crate::text::Only"; // crate::comment
        const RAW: &str = r#"crate::raw::Only""#;
        fn f<'a>(x: &'a str) -> char { let _ = super::near::call('"', b'\''); crate::far::FN; 'x' }
        #[cfg(test)]
        mod tests { use crate::tests_only::X; }
        #[cfg(test)]
        mod more_tests;
    "##;
    let (source, tests) = without_tests(&without_texts(source));
    assert_eq!(tests, ["more_tests"]);
    let found: Vec<String> = references(&source)
        .into_iter()
        .map(|it| format!("{} {}", it.segments.join("::"), it.exported_as.unwrap_or_default()))
        .collect();
    assert_eq!(
        found,
        [
            "inner::Item Name",
            "crate::other other",
            "crate::other::deep::One One",
            "crate::other::deep::Two Three",
            "crate::other *",
            "super::near::call ",
            "crate::far::FN ",
        ]
    );
}
