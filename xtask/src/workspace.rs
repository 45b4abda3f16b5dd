//! What cargo knows about the workspace: its crates, their targets and their dependencies.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::Cargo;

/// The workspace that `cargo xtask` was called in.
pub(crate) struct Workspace {
    /// The folder that holds the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo puts what it builds.
    pub(crate) target_dir: PathBuf,
    /// Our crates, in cargo's order.
    pub(crate) packages: Vec<Package>,
}

/// One crate of ours.
pub(crate) struct Package {
    /// Cargo's name: `reveille-domain`.
    pub(crate) name: String,
    /// The folder of its `Cargo.toml`, relative to the root, with `/`.
    pub(crate) dir: String,
    /// What it depends on directly.
    pub(crate) dependencies: Vec<Dependency>,
    /// What it builds.
    pub(crate) targets: Vec<Target>,
}

/// A direct dependency as `Cargo.toml` declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package's name: `aws-lc-rs`, `reveille-domain`.
    pub(crate) package: String,
    /// The name that the code uses: `aws_lc_rs`, `domain`.
    pub(crate) ident: String,
    /// Where it is declared.
    pub(crate) scope: Scope,
}

/// Which code may use a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `[dev-dependencies]`: tests and benches only.
    Dev,
    /// `[dependencies]` and `[build-dependencies]`: what is shipped.
    Ship,
}

/// Something a crate builds.
pub(crate) struct Target {
    /// Its name: `reveille`, `torture`, `accept`.
    pub(crate) name: String,
    /// Cargo's kinds: `bin`, `bench`, `test`, `lib`.
    pub(crate) kinds: Vec<String>,
}

/// The kinds of targets that xtask runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A measuring program.
    Bench,
    /// A binary.
    Bin,
}

impl Workspace {
    /// Asks cargo about the workspace around the current folder.
    pub(crate) fn load() -> Result<Self> {
        let json = Cargo::new(["metadata", "--format-version=1", "--no-deps"]).read()?;
        let metadata: Value =
            serde_json::from_str(&json).context("`cargo metadata` printed no valid JSON")?;
        Self::from_metadata(&metadata)
    }

    fn from_metadata(metadata: &Value) -> Result<Self> {
        let root = PathBuf::from(text(metadata, "workspace_root")?);
        let packages = list(metadata, "packages")?
            .iter()
            .map(|package| Package::from_metadata(package, &root))
            .collect::<Result<_>>()?;
        Ok(Self { target_dir: PathBuf::from(text(metadata, "target_directory")?), root, packages })
    }

    /// The crate of that name.
    pub(crate) fn package(&self, name: &str) -> Result<&Package> {
        self.packages
            .iter()
            .find(|package| package.name == name)
            .with_context(|| format!("the workspace has no crate {name}: see Cargo.toml"))
    }

    /// Refuses with a plain sentence when a crate does not build what is about to be run.
    pub(crate) fn require_target(&self, package: &str, kind: Kind, name: &str) -> Result<()> {
        let package = self.package(package)?;
        let (kind, folder) = match kind {
            Kind::Bench => ("bench", "benches"),
            Kind::Bin => ("bin", "src/bin"),
        };
        let mut targets = package.targets.iter().filter(|target| target.name == name);
        if !targets.any(|target| target.kinds.iter().any(|known| known == kind)) {
            bail!(
                "{} has no {kind} called {name}: write {}/{folder}/{name}.rs, or declare it as a \
                 [[{kind}]] in the crate's Cargo.toml",
                package.name,
                package.dir
            );
        }
        Ok(())
    }

    /// Where a dev build puts a binary.
    pub(crate) fn dev_binary(&self, name: &str) -> PathBuf {
        self.target_dir.join("debug").join(name).with_extension(std::env::consts::EXE_EXTENSION)
    }

    /// Where a release build puts a binary.
    pub(crate) fn release_binary(&self, name: &str) -> PathBuf {
        self.target_dir.join("release").join(name).with_extension(std::env::consts::EXE_EXTENSION)
    }
}

impl Package {
    fn from_metadata(package: &Value, root: &Path) -> Result<Self> {
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let dir = manifest
            .parent()
            .and_then(|dir| dir.strip_prefix(root).ok())
            .with_context(|| format!("{} lies outside the workspace", manifest.display()))?;
        Ok(Self {
            name: text(package, "name")?.to_owned(),
            dir: dir.to_string_lossy().replace('\\', "/"),
            dependencies: list(package, "dependencies")?
                .iter()
                .map(Dependency::from_metadata)
                .collect::<Result<_>>()?,
            targets: list(package, "targets")?
                .iter()
                .map(Target::from_metadata)
                .collect::<Result<_>>()?,
        })
    }
}

impl Dependency {
    fn from_metadata(dependency: &Value) -> Result<Self> {
        let package = text(dependency, "name")?;
        let ident = match dependency.get("rename").and_then(Value::as_str) {
            Some(rename) => rename.to_owned(),
            None => package.replace('-', "_"),
        };
        // Cargo writes no kind for an ordinary dependency, and "build" or "dev" for the others.
        let scope = match dependency.get("kind").and_then(Value::as_str) {
            Some("dev") => Scope::Dev,
            _ => Scope::Ship,
        };
        Ok(Self { package: package.to_owned(), ident, scope })
    }
}

impl Target {
    fn from_metadata(target: &Value) -> Result<Self> {
        let kinds = list(target, "kind")?
            .iter()
            .filter_map(|kind| kind.as_str().map(str::to_owned))
            .collect();
        Ok(Self { name: text(target, "name")?.to_owned(), kinds })
    }
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value
        .get(field)
        .and_then(Value::as_str)
        .with_context(|| format!("`cargo metadata` gave no text in the field {field}"))
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>> {
    value
        .get(field)
        .and_then(Value::as_array)
        .with_context(|| format!("`cargo metadata` gave no list in the field {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Workspace {
        let metadata = json!({
            "workspace_root": "/w",
            "target_directory": "/t",
            "packages": [{
                "name": "reveille-store",
                "manifest_path": "/w/crates/store/Cargo.toml",
                "targets": [
                    {"name": "store", "kind": ["lib"]},
                    {"name": "dump", "kind": ["bin"]},
                ],
                "dependencies": [
                    {"name": "reveille-domain", "rename": "domain", "kind": null},
                    {"name": "aws-lc-rs", "rename": null, "kind": null},
                    {"name": "proptest", "rename": null, "kind": "dev"},
                ],
            }],
        });
        Workspace::from_metadata(&metadata).expect("the sample has every field")
    }

    #[test]
    fn reads_names_folders_and_scopes() {
        let workspace = sample();
        let store = workspace.package("reveille-store").expect("the sample has it");
        assert_eq!(store.dir, "crates/store");
        let read: Vec<_> = store
            .dependencies
            .iter()
            .map(|d| (d.package.as_str(), d.ident.as_str(), d.scope))
            .collect();
        assert_eq!(
            read,
            [
                ("reveille-domain", "domain", Scope::Ship),
                ("aws-lc-rs", "aws_lc_rs", Scope::Ship),
                ("proptest", "proptest", Scope::Dev),
            ]
        );
    }

    #[test]
    fn names_the_target_that_is_missing() {
        let workspace = sample();
        assert!(workspace.require_target("reveille-store", Kind::Bin, "dump").is_ok());
        for kind in [Kind::Bench, Kind::Bin] {
            let error = workspace
                .require_target("reveille-store", kind, "store")
                .expect_err("the sample has a library of that name, no bench and no binary");
            assert!(error.to_string().contains("crates/store"), "{error}");
        }
    }
}
