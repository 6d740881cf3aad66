//! What the doctor of a consultation finds said before its first reply.

use crate::data::conversation::{ConversationError, DialogueFormat, History};
use crate::sim::Mode;

/// The conversation at its opening, with what only the doctor finds in [`Mode::Interrupted`]: none of it is sampled, and so none of it is
/// trained.
pub(super) fn opened(
    format: &DialogueFormat,
    opening: &str,
    mode: &Mode,
) -> Result<History, ConversationError> {
    let mut history = History::new(format);
    history.patient(opening)?;
    if let Mode::Interrupted(found) = mode {
        history.say(&found.doctor)?;
        history.patient(&found.patient)?;
    }
    Ok(history)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bpe::{BpeOptions, train};
    use crate::data::{Consultation, RenderOptions};

    #[test]
    fn the_doctor_reads_what_the_template_makes_of_the_messages() {
        let opening = "I have a cough.";
        let text = "I have a cough. When did it start? You will be fine. Will I have to go to hospital?";
        let options = BpeOptions { vocab_size: 300, min_frequency: 2, system: None };
        let tokenizer = train(&[text; 3], &options).unwrap();
        let template = tokenizer.compile_chat_template().unwrap().unwrap();
        let format = DialogueFormat::new(&tokenizer, &template, Some("You are a doctor.")).unwrap();
        let consultation = Consultation {
            case_id: "c".into(),
            opening: opening.into(),
            found: None,
            turns: Vec::new(),
            ending: None,
        };
        let prompt = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        let mut lengths = Vec::new();
        for mode in [Mode::Proactive, Mode::Passive, Mode::interrupted(1), Mode::interrupted(2)] {
            let history = opened(&format, opening, &mode).unwrap();
            let messages = mode.messages(&consultation, Some("You are a doctor."));
            let whole = tokenizer.encode(&template.render(&messages, &prompt).unwrap(), false).unwrap();
            assert_eq!(history.begin_reply().unwrap(), whole, "{mode:?}");
            lengths.push(whole.len());
        }
        assert!(lengths[0] == lengths[1] && lengths[0] < lengths[2].min(lengths[3]), "{lengths:?}");
    }
}
