//! Messages from stdin, a line each.

use std::io::{self, BufRead};

/// The longest legal message, in bytes: far beyond what anybody says, and read in a moment.
pub const LONGEST: usize = 16 << 10;

/// A line without its end; `None` at the end of the input. No more of it is held than a message may have.
pub fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut seen = false;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        seen = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        // One byte too many is enough to see that it is too long.
        bytes.extend(part.iter().take((LONGEST + 1).saturating_sub(bytes.len())));
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    if bytes.len() > LONGEST {
        let message = format!("it is too long, at most {LONGEST} bytes are read");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let line = String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"));
    line.map(|line| seen.then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_to_their_end_and_no_further_than_a_message_may_go() {
        let mut input = io::BufReader::with_capacity(3, &b"When?\r\n\nlast"[..]);
        let mut lines = || read_line(&mut input).unwrap();
        assert_eq!(
            [lines(), lines(), lines(), lines()],
            ["When?\r", "", "last"]
                .map(|it| Some(it.to_owned()))
                .into_iter()
                .chain([None])
                .collect::<Vec<_>>()[..]
        );
        let long = "x".repeat(LONGEST);
        assert_eq!(read_line(&mut format!("{long}\n").as_bytes()).unwrap(), Some(long.clone()));
        assert!(
            read_line(&mut format!("{long}x\n").as_bytes()).unwrap_err().to_string().contains("too long")
        );
        assert!(read_line(&mut &b"\xff\n"[..]).unwrap_err().to_string().contains("UTF-8"));
    }
}
