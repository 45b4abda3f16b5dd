//! The samples as a file, and back.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::load::Counts;
use super::sample::Sample;
use super::tables::Table;

/// Writes the samples; of the tables the rows, where there was a look.
pub(crate) fn write(file: &Path, samples: &[Sample]) -> Result<()> {
    let mut text =
        String::from("seconds,resident,anonymous,descriptors,threads,database,wal,push_log");
    let tables = samples.first().map(|it| it.tables.as_slice()).unwrap_or_default();
    for (name, _) in Counts::default().named() {
        let _ = write!(text, ",{}", name.replace(' ', "_"));
    }
    for table in tables {
        let _ = write!(text, ",{0}_rows,{0}_bytes", table.name);
    }
    text.push('\n');
    for sample in samples {
        let Sample { resident, anonymous, descriptors, threads, database, wal, push_log, .. } =
            sample;
        let _ = write!(
            text,
            "{:.0},{resident},{anonymous},{descriptors},{threads},{database},{wal},{push_log}",
            sample.at.as_secs_f64()
        );
        for (_, count) in sample.counts.named() {
            let _ = write!(text, ",{count}");
        }
        if sample.tables.is_empty() {
            text.push_str(&",,".repeat(tables.len()));
        }
        for table in &sample.tables {
            let _ = write!(text, ",{},{}", table.rows, table.bytes);
        }
        text.push('\n');
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Reads what [`write()`] wrote.
pub(crate) fn read(file: &Path) -> Result<Vec<Sample>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let samples = lines.map(|line| {
        let fields: HashMap<&str, &str> = head.iter().copied().zip(line.split(',')).collect();
        let number = |name: &str| fields.get(name).and_then(|it| it.parse().ok());
        let of = |name: &str| number(name).unwrap_or_default();
        let tables = head.iter().filter_map(|name| {
            let name = name.strip_suffix("_rows")?;
            let rows = number(&format!("{name}_rows"))?;
            Some(Table { name: name.to_owned(), rows, bytes: of(&format!("{name}_bytes")) })
        });
        Sample {
            at: Duration::from_secs(of("seconds")),
            resident: of("resident"),
            anonymous: of("anonymous"),
            descriptors: of("descriptors"),
            threads: of("threads"),
            database: of("database"),
            wal: of("wal"),
            push_log: of("push_log"),
            counts: Counts::read(|name| of(&name.replace(' ', "_"))),
            tables: tables.collect(),
        }
    });
    Ok(samples.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_read_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        let table = Table { name: "a".to_owned(), rows: 1, bytes: 4096 };
        let samples = [
            Sample { tables: vec![table], wal: 7, ..Sample::default() },
            Sample { counts: Counts::of_all(3), at: Duration::from_secs(10), ..Sample::default() },
        ];
        write(&file, &samples).unwrap();
        let text = |samples: &[Sample]| format!("{samples:?}");
        assert_eq!(text(&read(&file).unwrap()), text(&samples));
    }
}
