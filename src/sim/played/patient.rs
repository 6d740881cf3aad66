//! The patient of any three units, each turn.

use std::borrow::Cow;

use crate::chat::{ChatError, ChatModel, ConversationKey, Listener, Message};
use crate::data::consultation::{Consultation, Ending, Turn};
use crate::data::lexicon::Lexicon;
use crate::data::utterance::Understanding;
use crate::sim::check::{Checked, Factual, RuleCheck};
use crate::sim::draft::{Draft, Piece};
use crate::sim::gate::{Gate, Limits, RuleGate};
use crate::sim::heard::Scene;
use crate::sim::patient::{Patient, Reply};
use crate::sim::played::ask::{Manner, ask, seed};
use crate::sim::played::claims::{Label, correct, stands};
use crate::sim::played::error::{PlayedError, UnitName};
use crate::sim::played::log::{By, DraftLog, Failure, GateLog, TurnLog};
use crate::sim::played::mode::Mode;
use crate::sim::played::prompts::Prompts;
use crate::sim::played::sentences::sentences;
use crate::sim::played::units::{OnFailure, Settings, Unit, Units};
use crate::sim::played::voice::{Refused, faults, noise_faults};
use crate::sim::played::{check, gate, noise, reading, voice};
use crate::sim::script::PatientScript;
use crate::sim::voice::{Affective, RuleVoice};

/// How often the voice is asked for other words, at most.
pub const REGENERATIONS: usize = 2;

/// A patient whose gate, voice and check are each rules or a model.
///
/// Like [`Patient`] it holds no state: a reply follows from the script, what was said so far, the message, and the models'
/// answers. With [`Units::rules`] its replies are those of [`Patient::new`].
pub struct PlayedPatient<'a> {
    script: Cow<'a, PatientScript>,
    limits: Limits,
    units: Units<'a>,
    prompts: &'a Prompts,
    seed: u64,
    settings: Settings,
    mode: Mode,
    understanding: &'a Understanding,
    lexicon: &'a Lexicon,
}

/// What one message of the doctor led to, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayedReply {
    /// What it led to.
    pub reply: Reply,
    /// How.
    pub log: TurnLog,
}

/// What is said, and which facts were asked for beyond those that the rules hear.
struct Said {
    checked: Checked,
    asked: Vec<usize>,
}

impl<'a> PlayedPatient<'a> {
    /// A patient who plays `script` by the bundled lexicon. `seed` is for the models' draws; that of the rules' wording is the
    /// script's.
    pub fn new(
        script: &'a PatientScript,
        limits: Limits,
        units: Units<'a>,
        prompts: &'a Prompts,
        seed: u64,
    ) -> Self {
        Self {
            script: Cow::Borrowed(script),
            limits,
            units,
            prompts,
            seed,
            settings: Settings::default(),
            mode: Mode::default(),
            understanding: Understanding::bundled(),
            lexicon: Lexicon::bundled(),
        }
    }

    /// The same by another lexicon; `understanding` is that lexicon compiled.
    pub fn with_lexicon(mut self, understanding: &'a Understanding, lexicon: &'a Lexicon) -> Self {
        self.understanding = understanding;
        self.lexicon = lexicon;
        self
    }

    /// The same, with models asked in another way.
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The same, taking part as `mode` says, with an interruption of the prompts'. A passive patient's persona loses its initiative,
    /// whoever plays it.
    pub fn in_mode(mut self, mode: Mode) -> Self {
        if mode.is_passive() {
            let script = self.script.to_mut();
            script.persona = script.persona.passive();
        }
        self.mode = mode.interrupted_by(self.prompts.interruptions(), self.seed);
        self
    }

    /// What the patient plays from.
    pub fn script(&self) -> &PatientScript {
        &self.script
    }

    /// How the patient takes part.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// A consultation in which only the opening was said.
    pub fn open(&self) -> Consultation {
        Patient::with_lexicon(&self.script, self.limits, self.understanding, self.lexicon).open()
    }

    /// `so_far` as the doctor's model reads it: with what only the doctor finds, in [`Mode::Interrupted`].
    pub fn messages(&self, so_far: &Consultation, system: Option<&str>) -> Vec<Message> {
        self.mode.messages(so_far, system)
    }

    /// What `doctor` leads to after `so_far`.
    ///
    /// # Errors
    ///
    /// [`PlayedError::Unit`] when a unit's model gives no answer and [`OnFailure::Stop`] is set;
    /// [`PlayedError::Prompt`] when a prompt cannot be filled.
    pub fn reply(&self, so_far: &Consultation, doctor: &str) -> Result<PlayedReply, PlayedError> {
        self.reply_unless_stopped(so_far, doctor, &mut ())
    }

    /// The same, unless `listener` stops it. It hears nothing.
    ///
    /// # Errors
    ///
    /// As [`reply`](Self::reply); and [`ChatError::Stopped`] within [`PlayedError::Unit`], whatever [`OnFailure`] says.
    pub fn reply_unless_stopped(
        &self,
        so_far: &Consultation,
        doctor: &str,
        listener: &mut dyn Listener,
    ) -> Result<PlayedReply, PlayedError> {
        let script = &*self.script;
        let scene = Scene::new(script, so_far, doctor, self.understanding, self.lexicon);
        let mut log = TurnLog::new(&script.case_id, scene.turn(), doctor);
        let mut wanted = scene.wanted();
        let id = |index: &usize| script.facts.get(*index).map(|fact| fact.id.clone());
        let mut turn = Turn {
            doctor: doctor.to_owned(),
            patient: None,
            told: Vec::new(),
            asked: wanted.iter().filter_map(id).collect(),
            understood: scene.understood(),
        };
        if let Some(ending) = self.ends(&scene, &mut log, listener)? {
            log.ending = Some(ending);
            return Ok(PlayedReply { reply: Reply { turn, ending: Some(ending), corrected: 0 }, log });
        }
        let said = self.speak(&scene, &mut log, listener)?;
        let more: Vec<usize> = said.asked.into_iter().filter(|index| !wanted.contains(index)).collect();
        wanted.extend(more);
        turn.asked = wanted.iter().filter_map(id).collect();
        // Who answers with facts has understood, even what the rules have not.
        turn.understood |= !said.checked.told.is_empty();
        turn.told = said.checked.told;
        log.patient = Some(said.checked.text.clone());
        turn.patient = Some(said.checked.text);
        Ok(PlayedReply { reply: Reply { turn, ending: None, corrected: said.checked.corrected }, log })
    }

    /// Carries `consultation` on by one exchange. After its end nothing changes, and nothing is logged.
    ///
    /// # Errors
    ///
    /// As [`reply`](Self::reply); `consultation` is then as it was.
    pub fn answer(
        &self,
        consultation: &mut Consultation,
        doctor: &str,
    ) -> Result<Option<TurnLog>, PlayedError> {
        if consultation.ending.is_some() {
            return Ok(None);
        }
        let PlayedReply { reply, log } = self.reply(consultation, doctor)?;
        reply.carry_on(consultation);
        Ok(Some(log))
    }

    /// The gate.
    fn ends(
        &self,
        scene: &Scene<'_>,
        log: &mut TurnLog,
        listener: &mut dyn Listener,
    ) -> Result<Option<Ending>, PlayedError> {
        if let Unit::Model(model) = self.units.gate {
            let messages = gate::messages(scene, self.limits, self.prompts)?;
            let answer: Result<gate::Answer, _> =
                ask(model, &messages, &gate::SCHEMA, &self.manner(UnitName::Gate, scene, 0, 0.0), listener);
            match answer {
                Ok(answer) => {
                    let (ending, overruled) = gate::ending(answer.ending, scene, self.limits);
                    log.gate = GateLog { by: named(model), verdict: Some(answer.ending), overruled };
                    return Ok(ending);
                }
                Err(source) => self.failed(UnitName::Gate, model, source, log)?,
            }
        }
        Ok(RuleGate { limits: self.limits }.ends(scene))
    }

    /// Voice and check, until a draft stands. What examinations and tests show is the record's to say, so the rules say it
    /// whoever speaks for the patient.
    fn speak(
        &self,
        scene: &Scene<'_>,
        log: &mut TurnLog,
        listener: &mut dyn Listener,
    ) -> Result<Said, PlayedError> {
        let ruled = RuleVoice.draft(scene);
        let (shown, spoken): (Vec<Piece>, Vec<Piece>) =
            ruled.pieces.iter().cloned().partition(|piece| piece.text.starts_with('['));
        let findings = (!shown.is_empty()).then(|| RuleCheck.check(scene, Draft { pieces: shown }));
        let mut refused: Vec<Refused> = Vec::new();
        let mut corrections = 0;
        loop {
            let written = self.write(scene, &refused, log, listener)?;
            let pieces = match &written {
                Some((_, draft)) => sentences(draft),
                None => spoken.iter().map(|piece| piece.text.clone()).collect(),
            };
            let voice = written.as_ref().map_or(By::Rules, |(by, _)| by.clone());
            let noise = written.as_ref().map(|(_, draft)| noise::find(scene, draft)).unwrap_or_default();
            if let Some((_, draft)) = written.as_ref().filter(|_| !noise.is_empty()) {
                let faults = noise_faults(&noise, self.prompts)?;
                let draft = draft.clone();
                log.drafts.push(DraftLog {
                    voice,
                    check: By::Rules,
                    draft: draft.clone(),
                    noise,
                    claims: Vec::new(),
                    corrected: 0,
                    left: String::new(),
                    stands: false,
                });
                if refused.len() >= REGENERATIONS {
                    return Ok(safe_reply(scene, ruled, corrections, Vec::new(), log));
                }
                refused.push(Refused { draft, faults });
                log.regenerations += 1;
                continue;
            }
            let (check, labels) = match self.label(scene, &pieces, refused.len(), log, listener)? {
                Some((by, labels)) => (by, labels),
                None if written.is_none() => return Ok(by_rules(scene, ruled, log)),
                None => (By::Rules, reading::draft_labels(scene, &pieces)),
            };
            let corrected = correct(scene, &pieces, &labels);
            corrections += corrected.corrected;
            let shown = findings.as_ref().map(|it| it.text.as_str()).unwrap_or_default();
            let parts = [corrected.text.as_str(), shown];
            let text = parts.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
            let stands = stands(scene, &corrected, &text, voice == By::Rules);
            let draft = written.map_or_else(|| pieces.join(" "), |(_, draft)| draft);
            log.drafts.push(DraftLog {
                voice: voice.clone(),
                check,
                draft: draft.clone(),
                noise,
                claims: corrected.claims.clone(),
                corrected: corrected.corrected,
                left: text.clone(),
                stands,
            });
            if stands {
                let facts = corrected.told.iter().filter_map(|&index| scene.script.facts.get(index));
                let mut told: Vec<_> = facts.map(|fact| fact.id.clone()).collect();
                told.extend(findings.into_iter().flat_map(|it| it.told));
                return Ok(Said {
                    checked: Checked { text, told, corrected: corrections },
                    asked: corrected.asked,
                });
            }
            // The rules would write the same again.
            if voice == By::Rules || refused.len() >= REGENERATIONS {
                return Ok(safe_reply(scene, ruled, corrections, corrected.asked, log));
            }
            refused.push(Refused { draft, faults: faults(&corrected.claims, self.prompts)? });
            log.regenerations += 1;
        }
    }

    /// A draft by the voice's model; `None` where the rules are to write it.
    fn write(
        &self,
        scene: &Scene<'_>,
        refused: &[Refused],
        log: &mut TurnLog,
        listener: &mut dyn Listener,
    ) -> Result<Option<(By, String)>, PlayedError> {
        let Unit::Model(model) = self.units.voice else { return Ok(None) };
        let messages = voice::messages(scene, self.prompts, self.mode.is_passive(), refused)?;
        let number = 1 + refused.len() as u64;
        let manner = self.manner(UnitName::Voice, scene, number, self.settings.temperature);
        let answer: Result<voice::Answer, _> = ask(model, &messages, &voice::SCHEMA, &manner, listener);
        match answer {
            Ok(answer) => Ok(Some((named(model), answer.reply))),
            Err(source) => self.failed(UnitName::Voice, model, source, log).map(|()| None),
        }
    }

    /// The labels by the check's model; `None` where the rules are to make them.
    fn label(
        &self,
        scene: &Scene<'_>,
        pieces: &[String],
        attempt: usize,
        log: &mut TurnLog,
        listener: &mut dyn Listener,
    ) -> Result<Option<(By, Vec<Label>)>, PlayedError> {
        let Unit::Model(model) = self.units.check else { return Ok(None) };
        if pieces.is_empty() {
            return Ok(Some((named(model), Vec::new())));
        }
        let messages = check::messages(scene, pieces, self.prompts)?;
        // Numbers of the voice's questions go up to 1 + REGENERATIONS.
        let manner = self.manner(UnitName::Check, scene, (2 + REGENERATIONS + attempt) as u64, 0.0);
        let answer: Result<check::Answer, _> =
            ask(model, &messages, &check::schema(pieces), &manner, listener);
        match answer {
            Ok(answer) => Ok(Some((named(model), check::labels(scene, pieces, answer)))),
            Err(source) => self.failed(UnitName::Check, model, source, log).map(|()| None),
        }
    }

    /// How the question `number` of a turn is put.
    fn manner(&self, unit: UnitName, scene: &Scene<'_>, number: u64, temperature: f32) -> Manner {
        let PatientScript { case_id, persona, opening, .. } = scene.script;
        // Not the words that a unit's questions begin with, but what these follow from: the unit, the person and the case.
        let begins = [
            Message::system(unit.to_string()),
            Message::user(case_id.as_str()),
            Message::user(format!("{persona:?}")),
            Message::assistant(opening.as_str()),
        ];
        Manner {
            conversation: ConversationKey::of(&begins),
            thinking: self.settings.thinking,
            temperature,
            seed: seed(self.seed, scene.turn(), number),
            again: self.settings.again,
        }
    }

    /// Notes that a unit's model failed, or makes an error of it. Whoever stopped it wants no reply at all.
    fn failed(
        &self,
        unit: UnitName,
        model: &dyn ChatModel,
        source: ChatError,
        log: &mut TurnLog,
    ) -> Result<(), PlayedError> {
        let model = model.name().to_owned();
        if self.settings.on_failure == OnFailure::Stop || matches!(source, ChatError::Stopped) {
            return Err(PlayedError::Unit { unit, model, source });
        }
        log.failures.push(Failure { unit, model, why: source.to_string() });
        Ok(())
    }
}

fn named(model: &dyn ChatModel) -> By {
    By::Model(model.name().to_owned())
}

/// The rules' reply where no draft stood, after so many corrections of drafts; `asked` is what the last one's labels say was asked for.
fn safe_reply(
    scene: &Scene<'_>,
    ruled: Draft,
    corrections: usize,
    asked: Vec<usize>,
    log: &mut TurnLog,
) -> Said {
    log.safe_reply = true;
    let mut checked = RuleCheck.check(scene, ruled);
    checked.corrected += corrections;
    Said { checked, asked }
}

/// The rules' own reply to the scene, which knows where each of its statements is from.
fn by_rules(scene: &Scene<'_>, ruled: Draft, log: &mut TurnLog) -> Said {
    let draft = ruled.pieces.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>().join(" ");
    let checked = RuleCheck.check(scene, ruled);
    log.drafts.push(DraftLog {
        voice: By::Rules,
        check: By::Rules,
        draft,
        noise: Vec::new(),
        claims: Vec::new(),
        corrected: checked.corrected,
        left: checked.text.clone(),
        stands: true,
    });
    Said { checked, asked: Vec::new() }
}
