//! Server-sent events, as WHATWG's HTML standard defines their parsing, as bytes arrive.

use super::error::Failure;
use super::wire;

/// Cuts a stream of bytes, however it was divided, into the data of its events. Lines end with CR, LF or both; lines of data of one
/// event are joined by LF; comments and other fields are passed over.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The line that is not yet at its end.
    line: Vec<u8>,
    /// The last byte was a CR: an LF after it is the same line's end.
    after_cr: bool,
    /// Whether a line was read: the first may begin with a byte order mark.
    begun: bool,
    /// Data of the event that is not yet at its end.
    data: Option<String>,
}

impl Events {
    /// Takes more bytes and gives the data of events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, Failure> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    events.extend(self.end_line()?);
                }
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    /// The stream ended. The standard drops an event without an empty line after it; servers forget that line after the last event,
    /// and half an event is found out by its data.
    pub fn finish(&mut self) -> Result<Option<String>, Failure> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        Ok(self.data.take())
    }

    /// Reads the line; an empty one completes an event.
    fn end_line(&mut self) -> Result<Option<String>, Failure> {
        let bytes = std::mem::take(&mut self.line);
        let bytes =
            if self.begun { &bytes[..] } else { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) };
        self.begun = true;
        if bytes.is_empty() {
            return Ok(self.data.take());
        }
        // Whole lines only: a character that was divided is whole again.
        let line = wire::text(bytes)?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = Events::default();
        let mut events: Vec<String> = pieces.iter().flat_map(|piece| reader.push(piece).unwrap()).collect();
        events.extend(reader.finish().unwrap());
        events
    }

    /// The examples of the standard (section 9.2.6), and what servers send.
    #[test]
    fn streams_are_cut_as_the_standard_says() {
        let text = "data: YHOO\ndata: +2\ndata: 10\n\n";
        assert_eq!(events(&[text.as_bytes()]), ["YHOO\n+2\n10"]);
        let text =
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n";
        assert_eq!(events(&[text.as_bytes()]), ["first event", "second event", " third event"]);
        let text = "data\n\ndata\ndata\n\ndata:";
        assert_eq!(events(&[text.as_bytes()]), ["", "\n", ""]);
        let text = "\u{feff}data: a\r\n\r\ndata: b\r\rdata: [DONE]\n\n";
        assert_eq!(events(&[text.as_bytes()]), ["a", "b", "[DONE]"]);
        assert_eq!(events(&[b"event: ping\n\n: keep-alive\n\n"]), [""; 0]);
    }

    #[test]
    fn every_cut_gives_the_same_events() {
        let text = "\u{feff}data: {\"a\": \"née 頭痛 🤒\"}\r\n\r\n: beat\r\rdata: x\ndata: y\n\ndata: [DONE]\r\n\r\n".as_bytes();
        let whole = events(&[text]);
        assert_eq!(whole, ["{\"a\": \"née 頭痛 🤒\"}", "x\ny", "[DONE]"]);
        for cut in 0..=text.len() {
            assert_eq!(events(&[&text[..cut], &text[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(events(&bytes), whole);
    }

    #[test]
    fn what_is_no_text_is_an_error() {
        assert!(matches!(Events::default().push(b"data: \xff\n"), Err(Failure::NotJson { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), b'a'..=b'z'], 0..80),
            cuts in prop::collection::vec(0usize..80, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(events(&pieces), events(&[&bytes[..]]));
        }
    }
}
