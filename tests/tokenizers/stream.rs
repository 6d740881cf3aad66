//! Streamed text and stop strings.

use osler::data::{StopMatcher, TextStream};
use proptest::prelude::*;

use crate::{byte_fallback, runner, tiny};

/// Random ids, cut anywhere: the pieces add up to what the library decodes from all of them.
#[test]
fn streamed_text_adds_up() {
    let (_plain_dir, plain) = byte_fallback(false);
    let (_strip_dir, strip) = byte_fallback(true);
    for tokenizer in [tiny("smollm"), tiny("qwen2"), plain, strip] {
        let size = tokenizer.vocab_size() as u32;
        // Half of the ids are bytes above 0x7f, so that characters are begun, finished and broken all the time.
        let high: Vec<u32> = (0..size)
            .filter(|&id| tokenizer.token_bytes(id).is_some_and(|b| b.len() == 1 && b[0] > 0x7f))
            .collect();
        let id = prop_oneof![0..size + 3, prop::sample::select(high)];
        let real = "患者男性 👩🏽‍⚕️ é\u{fffd} naïve hello".to_owned();
        let real = tokenizer.encode(&real, false).unwrap();
        let ids = prop_oneof![prop::collection::vec(id, 0..60), Just(real)];
        let mut runner = runner(1500);
        runner
            .run(&(ids, any::<bool>(), prop::collection::vec(1usize..5, 60)), |(ids, skip, cuts)| {
                let mut stream = TextStream::new(&tokenizer, skip);
                let (mut text, mut rest) = (String::new(), ids.as_slice());
                for cut in cuts {
                    let (now, later) = rest.split_at(cut.min(rest.len()));
                    text.push_str(&stream.push(now));
                    rest = later;
                }
                text.push_str(&stream.finish());
                prop_assert!(!stream.is_holding());
                prop_assert_eq!(text, tokenizer.decode(&ids, skip).unwrap());
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn unfinished_characters_are_held() {
    let tokenizer = tiny("smollm");
    let ids = tokenizer.encode("a👩🏽‍⚕️b", false).unwrap();
    let mut stream = TextStream::new(&tokenizer, true);
    let pieces: Vec<String> = ids.iter().map(|&id| stream.push(&[id])).collect();
    assert!(pieces.iter().all(|piece| !piece.contains('\u{fffd}')));
    assert_eq!(pieces.concat() + &stream.finish(), "a👩🏽‍⚕️b");
    let mut cut = TextStream::new(&tokenizer, true);
    assert_eq!((cut.push(&ids[..2]), cut.is_holding(), cut.finish()), ("a".into(), true, "\u{fffd}".into()));
}

/// Many tokens one by one; work in proportion to all that came before would never end here.
#[test]
fn a_long_stream_loses_nothing() {
    let tokenizer = tiny("smollm");
    let ids = tokenizer.encode("あ hello ", false).unwrap();
    let mut stream = TextStream::new(&tokenizer, true);
    let mut stop = StopMatcher::new(&["never", "hello!"]).unwrap();
    let rounds = 300_000 / ids.len();
    let mut given = String::new();
    for &id in ids.iter().cycle().take(rounds * ids.len()) {
        given.push_str(&stop.push(&stream.push(&[id])).text);
    }
    given.push_str(&stop.push(&stream.finish()).text);
    given.push_str(&stop.finish());
    assert_eq!(given, "あ hello ".repeat(rounds));
}

/// The stop string that ends first, then the one that began first, found by looking everywhere.
fn stop_by_search(text: &str, stops: &[String]) -> Option<(usize, usize)> {
    (1..=text.len()).filter(|&end| text.is_char_boundary(end)).find_map(|end| {
        let ending = stops.iter().enumerate().filter(|(_, stop)| text[..end].ends_with(stop.as_str()));
        let (index, stop) = ending.min_by_key(|(index, stop)| (std::cmp::Reverse(stop.len()), *index))?;
        Some((index, end - stop.len()))
    })
}

#[test]
fn stop_strings_are_found_however_the_text_is_cut() {
    let text = prop::collection::vec(prop::sample::select(vec!['a', 'b', 'é', '<', '|']), 0..40);
    let stops = prop::collection::vec("[abé<|]{1,4}", 0..4);
    runner(3000)
        .run(&(text, stops, prop::collection::vec(1usize..5, 40)), |(text, stops, cuts)| {
            let whole: String = text.iter().collect();
            let mut matcher = StopMatcher::new(&stops).unwrap();
            let (mut given, mut rest) = (String::new(), text.as_slice());
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                let output = matcher.push(&now.iter().collect::<String>());
                given.push_str(&output.text);
                rest = later;
                let sure = stop_by_search(&whole, &stops).map_or(whole.len(), |(_, start)| start);
                prop_assert!(given.len() <= sure && whole.starts_with(&given));
            }
            given.push_str(&matcher.finish());
            match stop_by_search(&whole, &stops) {
                Some((index, start)) => {
                    prop_assert_eq!(matcher.matched(), Some(index));
                    prop_assert_eq!(given, &whole[..start]);
                }
                None => {
                    prop_assert_eq!(matcher.matched(), None);
                    prop_assert_eq!(given, whole);
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(StopMatcher::new(&["a", ""]).is_err());
}
