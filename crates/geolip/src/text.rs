//! Text from elsewhere, made safe to print: names in files, paths, what other libraries say.
//!
//! A name in a network file may hold anything: an escape sequence that overwrites a line of the terminal, a line break and a
//! forged verdict, characters that turn the direction of reading. Whatever is printed of it goes through one of these
//! functions, which write such characters as `\u{1b}`; nothing else is changed.

use std::fmt::Write;
use std::path::Path;

/// Bytes as hexadecimal digits, such as those of a hash.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The longest name that is shown whole, in characters.
const LONGEST: usize = 200;

/// Whether a character does something else than being seen: controls (line breaks and tabs, too), what turns the direction of
/// reading, line and paragraph separators, and what has no width.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// On one line, nothing hidden.
///
/// ```
/// assert_eq!(geolip::text::plain("fc1\n\u{1b}[2K\u{202e}"), r"fc1\n\u{1b}[2K\u{202e}");
/// ```
pub fn plain(text: &str) -> String {
    escaped(text.chars())
}

/// As [`plain`], and no longer than a name has reason to be.
pub fn name(text: &str) -> String {
    let mut shown = escaped(text.chars().take(LONGEST));
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// A path, as [`plain`].
pub fn path(path: &Path) -> String {
    plain(&path.to_string_lossy())
}

/// Text of several lines: line breaks and tabs stay. For whole outputs, whose names are [`name`]s already.
pub fn lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            _ => push(&mut shown, character),
        }
    }
    shown
}

/// JSON text whose strings hold nothing hidden: the same values, spelt with `\u`.
///
/// ```
/// assert_eq!(geolip::text::json("{\"a\u{202e}\":\"\u{9b}\"}"), r#"{"a\u202e":"\u009b"}"#);
/// ```
pub fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) && !matches!(character, '\n' | '\t' | '\r') {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(shown, "\\u{unit:04x}"); // a String takes everything
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

fn escaped(characters: impl Iterator<Item = char>) -> String {
    let mut shown = String::new();
    characters.for_each(|character| push(&mut shown, character));
    shown
}

fn push(shown: &mut String, character: char) {
    match is_hidden(character) {
        true => shown.extend(character.escape_default()),
        false => shown.push(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_is_left_and_everything_seen_stays() {
        let all: String = (0..=char::MAX as u32).filter_map(char::from_u32).collect();
        for shown in [plain(&all), lines(&all), json(&all)] {
            assert!(shown.chars().all(|c| !is_hidden(c) || matches!(c, '\n' | '\t' | '\r')));
        }
        assert!(!plain(&all).contains(['\n', '\r', '\t']) && !lines(&all).contains('\r'));
        let seen = "fc1.weight/ä漢字 'quoted' \\ 🙂 é";
        assert_eq!([plain(seen), name(seen), lines(seen), json(seen)], [seen; 4]);
    }

    #[test]
    fn json_means_the_same() {
        let text: String = (0..=char::MAX as u32).filter_map(char::from_u32).collect();
        let written = json(&serde_json::json!({ "name": text }).to_string());
        let read: serde_json::Value = serde_json::from_str(&written).expect("JSON");
        assert_eq!(read["name"], text);
    }

    #[test]
    fn names_are_short_and_paths_are_whole() {
        let long = "x".repeat(1000);
        assert_eq!((name(&long).chars().count(), path(Path::new(&long)).len()), (201, 1000));
    }
}
