//! The folder of prompts that a configuration names, laid out as `data/prompts`.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::rubric::authoring::Templates;
use crate::rubric::authoring::templates::TemplateError;
use crate::rubric::model_judge::{GraderTemplate, JudgePrompts, PromptError as JudgePromptError};
use crate::sim::Prompts;
use crate::sim::played::PromptError;
use crate::train::config::RoleOptions;

/// What it may hold.
const PARTS: [&str; 3] = [PATIENT, JUDGE, RUBRIC];
const PATIENT: &str = "patient";
const JUDGE: &str = "judge";
const RUBRIC: &str = "rubric";
/// The judge's file. HealthBench's grader has a field of its own.
const REPORT: &str = "report.toml";

/// Why prompts cannot be used.
#[derive(Debug, Error)]
pub enum RolePromptsError {
    /// The folder cannot be read.
    #[error("`roles.options.prompts`: {}: {source}", .folder.display())]
    Read {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in it that nobody would read.
    #[error("`roles.options.prompts`: {} is read by no role, legal are the folders patient, judge, rubric", .path.display())]
    Unknown {
        /// What.
        path: PathBuf,
    },
    /// HealthBench's grader is asked for and not there.
    #[error(
        "the text of HealthBench's grader is no part of osler: name healthbench_eval.py of simple-evals in `roles.options.judge_grader`"
    )]
    NoGrader,
    /// The patient's.
    #[error(transparent)]
    Patient(#[from] PromptError),
    /// The judge's.
    #[error(transparent)]
    Judge(#[from] JudgePromptError),
    /// The judge's folder.
    #[error(transparent)]
    JudgeFolder(#[from] super::judge_folder::JudgeFolderError),
    /// Those of rubrics.
    #[error(transparent)]
    Rubric(#[from] TemplateError),
}

impl RoleOptions {
    /// What the patient's models are asked: the configuration's prompts over those that come with osler.
    ///
    /// # Errors
    ///
    /// A folder or file that cannot be used.
    pub fn patient_prompts(&self) -> Result<Cow<'static, Prompts>, RolePromptsError> {
        Ok(match self.part(PATIENT)? {
            Some(folder) => Cow::Owned(Prompts::from_folder(&folder)?),
            None => Cow::Borrowed(Prompts::bundled()),
        })
    }

    /// What a judge is asked by the report's templates, likewise.
    ///
    /// # Errors
    ///
    /// A folder or file that cannot be used.
    pub fn judge_prompts(&self) -> Result<JudgePrompts, RolePromptsError> {
        Ok(match self.part(JUDGE)? {
            Some(folder) => {
                super::judge_folder::holds_only(&folder, REPORT)?;
                JudgePrompts::read(&folder.join(REPORT))?
            }
            None => JudgePrompts::bundled().clone(),
        })
    }

    /// The text of HealthBench's grader, which the configuration must name.
    ///
    /// # Errors
    ///
    /// None is named, or the file cannot be used.
    pub fn judge_grader(&self) -> Result<GraderTemplate, RolePromptsError> {
        let file = self.judge_grader.as_deref().ok_or(RolePromptsError::NoGrader)?;
        Ok(GraderTemplate::read(file)?)
    }

    /// What a model that writes or compares rubrics is asked, likewise.
    ///
    /// # Errors
    ///
    /// A folder or file that cannot be used.
    pub fn rubric_templates(&self) -> Result<Templates, RolePromptsError> {
        Ok(match self.part(RUBRIC)? {
            Some(folder) => Templates::with_folder(&folder)?,
            None => Templates::bundled(),
        })
    }

    /// A folder within the configuration's; `None` where there is none of that name.
    fn part(&self, name: &str) -> Result<Option<PathBuf>, RolePromptsError> {
        self.prompts.as_deref().map_or(Ok(None), |folder| part(folder, name))
    }
}

fn part(folder: &Path, name: &str) -> Result<Option<PathBuf>, RolePromptsError> {
    let read = |source| RolePromptsError::Read { folder: folder.to_owned(), source };
    let mut entries = Vec::new();
    for entry in folder.read_dir().map_err(read)? {
        entries.push(entry.map_err(read)?.path());
    }
    // Which of several is named must not depend on the file system.
    entries.sort();
    for path in entries {
        let entry = path.file_name().unwrap_or_default().to_string_lossy();
        if !(entry.starts_with('.') || PARTS.contains(&&*entry) && path.is_dir()) {
            return Err(RolePromptsError::Unknown { path });
        }
    }
    Ok(Some(folder.join(name)).filter(|path| path.is_dir()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Prompts of this folder.
    fn opened(prompts: Option<&Path>) -> RoleOptions {
        RoleOptions { prompts: prompts.map(Path::to_owned), ..RoleOptions::default() }
    }

    #[test]
    fn the_prompts_that_come_with_osler_are_such_a_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/prompts");
        for opened in [opened(Some(&folder)), opened(None)] {
            assert!(opened.patient_prompts().is_ok());
            assert_eq!(opened.judge_prompts().unwrap(), *JudgePrompts::bundled());
            assert_eq!(opened.rubric_templates().unwrap(), Templates::bundled());
        }
    }

    #[test]
    fn what_nobody_reads_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("judge")).unwrap();
        let roles = opened(Some(dir.path()));
        assert!(matches!(roles.patient_prompts(), Ok(Cow::Borrowed(_))));
        let error = roles.judge_prompts().unwrap_err().to_string();
        assert!(error.contains("report.toml"), "{error}");
        fs::write(dir.path().join("voice.jinja"), "x").unwrap();
        let error = roles.patient_prompts().err().unwrap().to_string();
        assert!(
            error.contains("voice.jinja is read by no role") && error.contains("patient, judge"),
            "{error}"
        );
        let none = opened(Some(&dir.path().join("none")));
        assert!(matches!(none.rubric_templates(), Err(RolePromptsError::Read { .. })));
    }
}
