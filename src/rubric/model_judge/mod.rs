//! The judge that is a chat model: one question an item, in batches that share the conversation.
//!
//! Reading order: [`exhibit`] (what is judged), [`protocol`] (what is asked: HealthBench's grader for evaluation, the report's two
//! templates for training), [`settings`], [`votes`] (several answers to one verdict), [`evidence`] (whether what is quoted was said),
//! [`tally`] (what it took). An item is only `Met` or `NotMet` where a model said so in a reply that could be read.

pub mod evidence;
pub mod exhibit;
pub mod grader;
pub mod prompts;
pub mod protocol;
pub mod settings;
pub mod tally;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_reference;
pub mod votes;

use std::collections::HashMap;
use std::sync::Mutex;

use crate::chat::structured;
use crate::chat::{Asked, ChatError, ChatModel, ChatOptions, ConversationKey, Finish, Message, Reply};
use crate::data::case::Case;
use crate::data::consultation::Consultation;
use crate::data::hash;

use super::criterion::{Judgement, Rubric, Scope, Verdict};
use super::judge::Judge;

pub use self::exhibit::{Exhibit, Item, Said, Sheet};
pub use self::grader::GraderTemplate;
pub use self::prompts::{JudgePrompts, PromptError};
pub use self::protocol::Protocol;
pub use self::settings::{JudgeSettingError, ModelJudgeSettings};
pub use self::tally::Tally;
pub use self::votes::Votes;

use self::protocol::Answer;

/// Judges by asking a chat model. It is a [`Judge`] where threads may share the model.
pub struct ModelJudge<'a, M: ?Sized> {
    model: &'a M,
    protocol: Protocol,
    settings: ModelJudgeSettings,
    stopped: Option<&'a (dyn Fn() -> bool + Sync)>,
    tally: Mutex<Tally>,
}

/// What was said of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// The verdict of the votes, with the explanation and the evidence of the first vote for it. `NotJudged` says why.
    pub judgement: Judgement,
    /// The votes.
    pub votes: Votes,
}

/// A question on its way to an answer.
struct Question<'a> {
    item: &'a Item,
    vote: usize,
    key: ConversationKey,
    messages: Vec<Message>,
    /// Whether the shape of the reply was told in words.
    told: bool,
    /// Replies that could not be read.
    tries: usize,
    outcome: Option<Result<Answer, String>>,
}

impl<'a, M: ChatModel + ?Sized> ModelJudge<'a, M> {
    /// A judge that asks `model`.
    ///
    /// # Errors
    ///
    /// A setting that is not legal.
    pub fn new(
        model: &'a M,
        protocol: Protocol,
        settings: ModelJudgeSettings,
    ) -> Result<Self, JudgeSettingError> {
        settings.check()?;
        Ok(Self { model, protocol, settings, stopped: None, tally: Mutex::default() })
    }

    /// The same, which asks nothing more once `stopped` says so. A batch that was begun is waited for.
    pub fn stopped_by(self, stopped: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { stopped: Some(stopped), ..self }
    }

    /// Who is asked.
    pub fn model_name(&self) -> &str {
        self.model.name()
    }

    /// The name of the questions.
    pub fn protocol_name(&self) -> &'static str {
        self.protocol.name()
    }

    /// How it is asked.
    pub fn settings(&self) -> ModelJudgeSettings {
        self.settings
    }

    /// What all judging took so far.
    pub fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A hash of all that decides what is asked: the model's name, the protocol's texts, the shapes of replies and the settings. Two judges of one identity
    /// ask the same.
    pub fn identity(&self) -> String {
        let ModelJudgeSettings { votes, again, max_tokens, temperature, seed } = self.settings;
        let protocol = &self.protocol;
        let mut all = format!(
            "{:?}",
            (self.model.name(), protocol, votes, again, max_tokens, temperature.to_bits(), seed)
        );
        all.push_str(protocol.layout());
        for good in [true, false] {
            if let Some(schema) = protocol.schema(&Item { text: String::new(), good }) {
                all.push_str(&schema.json().to_string());
            }
        }
        hash::text(hash::fnv1a(all.as_bytes()))
    }

    /// One opinion for each item of each sheet. All questions go to the model in one batch, those about one conversation side by side;
    /// replies that cannot be read are asked for again in the next.
    pub fn judge(&self, sheets: &[Sheet]) -> Vec<Vec<Opinion>> {
        let protocol = &self.protocol;
        let texts: Vec<String> = sheets.iter().map(|sheet| protocol.shown(&sheet.exhibit)).collect();
        let mut questions: Vec<Question> = Vec::new();
        let mut asked: HashMap<(&str, Scope, &Item, usize), usize> = HashMap::new();
        // Where the votes on each item of each sheet are.
        let mut places: Vec<Vec<Vec<usize>>> = Vec::with_capacity(sheets.len());
        let mut saved = 0;
        for (sheet, text) in sheets.iter().zip(&texts) {
            let mut of_sheet = Vec::with_capacity(sheet.items.len());
            for item in &sheet.items {
                let votes = (0..self.settings.votes).map(|vote| {
                    let next = questions.len();
                    let at = *asked.entry((text.as_str(), sheet.exhibit.scope, item, vote)).or_insert(next);
                    if at == next {
                        questions.push(self.question(sheet, text, item, vote));
                    } else {
                        saved += 1;
                    }
                    at
                });
                of_sheet.push(votes.collect());
            }
            places.push(of_sheet);
        }
        self.count(|tally| tally.saved += saved);
        self.ask(&mut questions);
        let judged = sheets.iter().zip(places);
        judged
            .map(|(sheet, items)| {
                items.iter().map(|votes| self.opinion(&sheet.exhibit, votes, &questions)).collect()
            })
            .collect()
    }

    fn question<'b>(&self, sheet: &'b Sheet, text: &str, item: &'b Item, vote: usize) -> Question<'b> {
        let (_, messages) = self.protocol.question(&sheet.exhibit, text, item);
        // Several replies to one conversation begin with it: whoever has read it for one of them is to get the others.
        let (shared, _) =
            self.protocol.question(&sheet.exhibit, &self.protocol.shown(&sheet.exhibit.before()), item);
        let key = ConversationKey::of(&shared);
        Question { item, vote, key, messages, told: false, tries: 0, outcome: None }
    }

    /// Asks until each question has an outcome.
    fn ask(&self, questions: &mut [Question]) {
        loop {
            let mut open: Vec<&mut Question> =
                questions.iter_mut().filter(|question| question.outcome.is_none()).collect();
            if open.is_empty() {
                return;
            }
            if self.stopped.is_some_and(|stopped| stopped()) {
                open.iter_mut().for_each(|question| question.outcome = Some(Err("stopped".to_owned())));
                return;
            }
            let batch: Vec<Asked> = open.iter_mut().map(|question| self.asked(question)).collect();
            let kept: Vec<bool> =
                batch.iter().map(|it| self.model.is_kept(&it.messages, &it.options)).collect();
            let mut replies = self.model.replies(&batch).into_iter();
            for ((question, asked), kept) in open.into_iter().zip(&batch).zip(kept) {
                let reply = replies.next();
                self.take(question, asked, kept, reply.unwrap_or_else(|| Err(ChatError::Stopped)));
            }
        }
    }

    /// What is sent for a question.
    fn asked(&self, question: &mut Question) -> Asked {
        let schema = self.protocol.schema(question.item);
        if schema.is_some() && !question.told && !self.model.constrains() {
            structured::tell(&mut question.messages, schema.as_deref());
            question.told = true;
        }
        let options = ChatOptions {
            max_tokens: Some(self.settings.max_tokens),
            temperature: Some(self.settings.temperature),
            seed: Some(self.settings.seed_of(question.vote, question.tries)),
            schema,
            conversation: Some(question.key),
            ..ChatOptions::default()
        };
        Asked { messages: question.messages.clone(), options }
    }

    /// Takes in what came for a question that was put as `asked`; where the reply was `kept` on disk, nobody was asked.
    fn take(&self, question: &mut Question, asked: &Asked, kept: bool, reply: Result<Reply, ChatError>) {
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                self.count(|tally| {
                    tally.requests += 1;
                    tally.failed += 1;
                });
                // The server has just said that it knows no schemas: asked in words, this was no answer to anything.
                let untold = self.protocol.schema(question.item).is_some() && !question.told;
                if !untold || self.model.constrains() {
                    question.outcome = Some(Err(error.to_string()));
                }
                return;
            }
        };
        self.count(|tally| {
            if kept {
                tally.kept += 1;
                return;
            }
            tally.requests += 1;
            if let Some(usage) = reply.usage {
                tally.counted += 1;
                tally.usage += usage;
            }
        });
        if reply.finish == Finish::Stopped {
            question.outcome = Some(Err("stopped".to_owned()));
            return;
        }
        let was_cut = reply.finish == Finish::Length;
        match self.protocol.read(&reply, question.item) {
            Ok(answer) => question.outcome = Some(Ok(answer)),
            Err(problem) => {
                question.tries += 1;
                // Kept, it would be the reply of the next run too, which is to ask again.
                if let Err(error) = self.model.forget(&asked.messages, &asked.options) {
                    question.outcome = Some(Err(error.to_string()));
                } else if question.tries > self.settings.again {
                    // Some problems say so themselves.
                    let untold = was_cut && !problem.ends_with(structured::CUT_OFF);
                    let cut = if untold { structured::CUT_OFF } else { "" };
                    let problem =
                        format!("asked {} times, no reply can be read: {problem}{cut}", question.tries);
                    question.outcome = Some(Err(problem));
                } else {
                    self.protocol.again(&mut question.messages, reply, &problem, question.item);
                }
            }
        }
    }

    /// The votes on one item as one opinion.
    fn opinion(&self, exhibit: &Exhibit, places: &[usize], questions: &[Question]) -> Opinion {
        let outcomes: Vec<&Result<Answer, String>> =
            places.iter().filter_map(|&at| questions.get(at)?.outcome.as_ref()).collect();
        let said = |outcome: &Result<Answer, String>| match outcome {
            Ok(answer) if answer.met => Verdict::Met,
            Ok(_) => Verdict::NotMet,
            Err(_) => Verdict::NotJudged,
        };
        let mut votes = Votes::default();
        outcomes.iter().for_each(|outcome| votes.add(said(outcome)));
        let verdict = votes.verdict();
        let agreeing = outcomes.iter().filter(|outcome| said(outcome) == verdict);
        let first = agreeing.clone().find_map(|outcome| outcome.as_ref().ok());
        let judgement = match first {
            Some(answer) => {
                let shown = agreeing
                    .filter_map(|outcome| outcome.as_ref().ok())
                    .flat_map(|answer| &answer.quotes)
                    .find_map(|quote| shown(exhibit, quote));
                let (turn, evidence) = shown.map_or((None, None), |(turn, span)| (turn, Some(span)));
                Judgement { verdict, turn, evidence, reason: answer.explanation.clone() }
            }
            None => {
                let failed = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
                let Votes { met, not_met, not_judged } = votes;
                Judgement::not_judged(match failed {
                    Some(why) if met + not_met == 0 => why.clone(),
                    Some(why) => {
                        format!("{met} votes for met, {not_met} against, {not_judged} failed: {why}")
                    }
                    None => format!("{met} votes for met, {not_met} against"),
                })
            }
        };
        self.count(|tally| tally.item(votes, verdict != Verdict::NotJudged));
        Opinion { judgement, votes }
    }

    fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    /// Judges exhibits by one rubric. Where nothing was said, nobody is asked: no item is met, and nothing was avoided either, so that
    /// negative items are not judged.
    fn by_rubric(&self, exhibits: Vec<Exhibit>, rubric: &Rubric) -> Vec<Vec<Judgement>> {
        let items: Vec<Item> = rubric.criteria.iter().map(Item::from).collect();
        let silent: Vec<bool> = exhibits.iter().map(Exhibit::is_silent).collect();
        let spoken = exhibits.into_iter().filter(|exhibit| !exhibit.is_silent());
        let sheets: Vec<Sheet> = spoken.map(|exhibit| Sheet { exhibit, items: items.clone() }).collect();
        let mut opinions = self.judge(&sheets).into_iter();
        let nothing = |item: &Item| match item.good {
            true => Judgement::not_met("nothing was said"),
            false => Judgement::not_judged("there is no message to a patient"),
        };
        silent
            .into_iter()
            .map(|silent| {
                if silent {
                    return items.iter().map(nothing).collect();
                }
                let opinions = opinions.next().unwrap_or_default();
                opinions.into_iter().map(|opinion| opinion.judgement).collect()
            })
            .collect()
    }
}

/// Where the marked messages of an exhibit say what is quoted: which of them, where there may be several, and its bytes there.
fn shown(exhibit: &Exhibit, quote: &str) -> Option<(Option<usize>, (usize, usize))> {
    exhibit.marked().enumerate().find_map(|(at, text)| {
        let turn = (exhibit.scope == Scope::Consultation).then_some(at);
        evidence::find(text, quote).map(|span| (turn, span))
    })
}

impl<M: ChatModel + Sync + ?Sized> Judge for ModelJudge<'_, M> {
    fn judge_reply(
        &self,
        case: &Case,
        so_far: &Consultation,
        reply: &str,
        rubric: &Rubric,
    ) -> Vec<Judgement> {
        let replies = [reply.to_owned()];
        self.judge_replies(case, so_far, &replies, rubric).pop().unwrap_or_default()
    }

    fn judge_consultation(&self, _: &Case, consultation: &Consultation, rubric: &Rubric) -> Vec<Judgement> {
        self.by_rubric(vec![Exhibit::consultation(consultation)], rubric).pop().unwrap_or_default()
    }

    fn judge_replies(
        &self,
        _: &Case,
        so_far: &Consultation,
        replies: &[String],
        rubric: &Rubric,
    ) -> Vec<Vec<Judgement>> {
        self.by_rubric(replies.iter().map(|reply| Exhibit::reply(so_far, reply)).collect(), rubric)
    }
}
