//! `osler rubric grade` as a program, and the rules for written criteria beside hand-checked verdicts, where the data is at hand.

mod agreement;
mod grading;
#[path = "../chat_server/scripted.rs"]
#[allow(dead_code, reason = "a part of what the tests of the client need")]
mod scripted;
