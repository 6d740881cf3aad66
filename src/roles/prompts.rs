//! The folder of prompts that a configuration names, laid out as `data/prompts`.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::data::hash::{fnv1a, text, whole};
use crate::rubric::authoring::Templates;
use crate::rubric::authoring::templates::TemplateError;
use crate::rubric::model_judge::{GraderTemplate, JudgePrompts, PromptError as JudgePromptError};
use crate::sim::Prompts;
use crate::sim::played::PromptError;
use crate::train::config::{JudgeTemplates, Role, RoleOptions};

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
    /// The folder or a file in it cannot be read.
    #[error("`roles.options.prompts`: {}: {source}", .path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
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

    /// The checksum of the files that a model in `role` is asked by in place of osler's own, their names included; `None` where it reads
    /// none, or the role has no prompts.
    ///
    /// # Errors
    ///
    /// A folder or file that cannot be read.
    pub fn prompts_checksum(&self, role: Role) -> Result<Option<String>, RolePromptsError> {
        let files = match role {
            Role::Policy => Vec::new(),
            Role::Patient | Role::Gate | Role::Check => {
                self.files(PATIENT, |path| path.extension().is_some_and(|extension| extension == "jinja"))?
            }
            Role::Rubric => self.files(RUBRIC, |_| true)?,
            Role::Judge => match self.judge_templates {
                JudgeTemplates::Report => {
                    self.part(JUDGE)?.map(|folder| folder.join(REPORT)).into_iter().collect()
                }
                JudgeTemplates::Healthbench => self.judge_grader.iter().cloned().collect(),
            },
        };
        let mut all = fnv1a(b"");
        for file in &files {
            let contents = fs::read(file).map_err(|source| match role {
                Role::Judge => JudgePromptError::Read { file: file.to_owned(), source }.into(),
                _ => RolePromptsError::Read { path: file.to_owned(), source },
            })?;
            let name = file.file_name().unwrap_or_default();
            all = whole(whole(all, name.as_encoded_bytes()), &contents);
        }
        Ok((!files.is_empty()).then(|| text(all)))
    }

    /// The files of a folder within the configuration's that are `read`, in the order of their names; none of those that begin with a
    /// point.
    fn files(&self, part: &str, read: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, RolePromptsError> {
        let Some(folder) = self.part(part)? else { return Ok(Vec::new()) };
        let entries = entries(&folder)?.into_iter();
        let hidden = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().starts_with('.');
        Ok(entries.filter(|path| read(path) && path.is_file() && !hidden(path)).collect())
    }

    /// A folder within the configuration's; `None` where there is none of that name.
    fn part(&self, name: &str) -> Result<Option<PathBuf>, RolePromptsError> {
        self.prompts.as_deref().map_or(Ok(None), |folder| part(folder, name))
    }
}

fn part(folder: &Path, name: &str) -> Result<Option<PathBuf>, RolePromptsError> {
    for path in entries(folder)? {
        let entry = path.file_name().unwrap_or_default().to_string_lossy();
        if !(entry.starts_with('.') || PARTS.contains(&&*entry) && path.is_dir()) {
            return Err(RolePromptsError::Unknown { path });
        }
    }
    Ok(Some(folder.join(name)).filter(|path| path.is_dir()))
}

/// What lies in a folder, in the order of the names, so that nothing depends on the file system.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, RolePromptsError> {
    let read = |source| RolePromptsError::Read { path: folder.to_owned(), source };
    let mut entries = Vec::new();
    for entry in folder.read_dir().map_err(read)? {
        entries.push(entry.map_err(read)?.path());
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
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
