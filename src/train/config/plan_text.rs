//! A plan in words.

use std::fmt;

use super::plan::{Plan, ShapeSource, StagePlan};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.shape_source {
            ShapeSource::Files => "read from its files",
            ShapeSource::Expected => "as the run expects it; its files were not read",
            ShapeSource::Scratch => "made from scratch",
        };
        writeln!(f, "run         {}", self.name)?;
        let devices = if self.ranks > 1 {
            format!("{} x {}", self.ranks, self.device.split(':').next().unwrap_or_default())
        } else {
            self.device.clone()
        };
        writeln!(f, "device      {devices}")?;
        writeln!(f, "model       {}, {} parameters, {source}", self.architecture, count(self.parameters))?;
        if self.trained_parameters != self.parameters {
            writeln!(f, "trained     {} parameters of adapters", count(self.trained_parameters))?;
        }
        for (index, stage) in self.stages.iter().enumerate() {
            write_stage(f, index, stage)?;
        }
        for role in &self.roles {
            writeln!(f, "{role}")?;
        }
        if let Some(patients) = self.patients {
            writeln!(f, "patients    {patients}")?;
        }
        if self.role_models_bytes > 0 {
            writeln!(f, "role models {} in this process", bytes(self.role_models_bytes))?;
        }
        let each = if self.ranks > 1 { " on each device" } else { "" };
        write!(f, "peak memory {}{each}, estimated", bytes(self.peak_bytes))?;
        match self.limit_bytes {
            Some(limit) if self.over_memory() => writeln!(f, ": over limits.memory ({})", bytes(limit))?,
            Some(limit) => writeln!(f, ", within limits.memory ({})", bytes(limit))?,
            None => writeln!(f)?,
        }
        if !self.not_built.is_empty() {
            writeln!(f, "not built yet:")?;
        }
        for missing in &self.not_built {
            writeln!(f, "  - {} (`{}`): {}", missing.name, missing.field, missing.instead)?;
        }
        Ok(())
    }
}

fn write_stage(f: &mut fmt::Formatter<'_>, index: usize, stage: &StagePlan) -> fmt::Result {
    let about = if stage.estimated { "about " } else { "" };
    write!(f, "stage {index}     {}: ", stage.kind)?;
    let (Some(steps), Some(optimizer_steps), Some(tokens)) =
        (stage.steps, stage.optimizer_steps, stage.tokens)
    else {
        writeln!(f, "steps and tokens depend on its files, which have not been read")?;
        return write_memory(f, stage);
    };
    write!(f, "{about}{} steps", count(steps))?;
    if optimizer_steps != steps {
        write!(f, " with {} optimizer steps", count(optimizer_steps))?;
    }
    if stage.replies > 0 {
        writeln!(
            f,
            ", at most {} replies to {} prompts, {} tokens sampled",
            count(stage.replies),
            count(stage.prompts),
            count(tokens)
        )?;
    } else {
        writeln!(f, ", {about}{} tokens", count(tokens))?;
    }
    write_rubric(f, stage)?;
    write_memory(f, stage)
}

fn write_rubric(f: &mut fmt::Formatter<'_>, stage: &StagePlan) -> fmt::Result {
    let Some(rubric) = &stage.rubric else { return Ok(()) };
    let by = match &rubric.model {
        Some((model, every)) => format!("rules and, once in {every} groups, by {model}"),
        None => "rules".to_owned(),
    };
    writeln!(
        f,
        "            rubrics change: up to {} criteria mined by {by} from replies that scored high; held-out consultations are marked without",
        rubric.most
    )
}

fn write_memory(f: &mut fmt::Formatter<'_>, stage: &StagePlan) -> fmt::Result {
    let memory = &stage.memory;
    let reference = match memory.reference {
        0 => String::new(),
        kept => format!(", reference {}", bytes(kept)),
    };
    writeln!(
        f,
        "            weights {}, gradients {}, optimizer {}{reference}, activations about {}, key/value cache {}, patients and \
         consultations {}: {}",
        bytes(memory.weights),
        bytes(memory.gradients),
        bytes(memory.optimizer),
        bytes(memory.activations),
        bytes(memory.cache),
        bytes(memory.data),
        bytes(memory.total()),
    )
}

/// 1234567 as 1.23M.
fn count(number: u64) -> String {
    scaled(number, 1000.0, ["", "K", "M", "B", "T"])
}

/// Bytes in powers of 1024.
fn bytes(number: u64) -> String {
    scaled(number, 1024.0, [" B", " KiB", " MiB", " GiB", " TiB"])
}

fn scaled(number: u64, base: f64, units: [&str; 5]) -> String {
    let mut value = number as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let digits = match (unit, value) {
        (0, _) => 0,
        (_, value) if value < 10.0 => 2,
        (_, value) if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}{}", units.get(unit).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let counts =
            [(0, "0"), (999, "999"), (1234, "1.23K"), (1_969_088, "1.97M"), (32_763_876_352, "32.8B")];
        for (number, want) in counts {
            assert_eq!(count(number), want);
        }
        assert_eq!(bytes(1 << 30), "1.00 GiB");
        assert_eq!(bytes(u64::MAX), "16777216 TiB");
    }
}
