//! One line of a file of JSON lines.

use serde::de::DeserializeOwned;

/// Reads one line, or says what is wrong with it: the field, and the column. Which line it is, its reader knows.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let problem = problem(&error.into_inner());
        if field == "." { problem } else { format!("{field}: {problem}") }
    })?;
    json.end().map_err(|error| problem(&error))?;
    Ok(value)
}

/// An error without the line, which would be 1 whatever line of the file it is.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(problem) => format!("{problem} at column {}", error.column()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_field_and_the_column_and_no_line() {
        let wrong = |text: &str| parse::<Vec<u32>>(text.as_bytes()).unwrap_err();
        let cut = wrong("[1, 2");
        assert!(cut.contains("EOF while parsing a list at column ") && !cut.contains("line"), "{cut}");
        let typed = wrong("[1, true]");
        assert!(typed.starts_with("[1]: invalid type: boolean") && !typed.contains("line"), "{typed}");
        assert!(wrong("[] 1").ends_with("at column 4"), "{}", wrong("[] 1"));
        assert_eq!(parse::<Vec<u32>>(b"[3]").unwrap(), [3]);
    }
}
