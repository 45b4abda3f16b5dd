//! Compares the table of edges with what `Cargo.toml` declares and what the code names.

use super::table::{EXTERNAL, External, OURS, Ours};
use crate::tidy::Finding;
use crate::tidy::source::{Area, Source, Tree, has_word};
use crate::workspace::{Dependency, Package, Scope, Workspace};

const TABLE: &str = "xtask/src/tidy/edges/table.rs";

/// Finds edges that are not in the table, rows that nothing uses, and dependencies that no code
/// names.
pub(crate) fn check(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let mut findings = check_table(&workspace.packages, OURS, EXTERNAL);
    for package in &workspace.packages {
        findings.extend(check_named(package, &tree.sources));
    }
    findings
}

fn check_table(packages: &[Package], ours: &[Ours], external: &[External]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let from = short(&package.name);
        for dependency in &package.dependencies {
            if !allowed(from, dependency, ours, external) {
                findings.push(not_in_table(package, dependency));
            }
        }
    }
    for row in ours.iter().filter(|row| !has(packages, row.from, row.to, row.scope)) {
        findings.push(unused(row.from, row.to, row.scope, row.why));
    }
    for row in external {
        let users = row.ship.iter().map(|user| (user, Scope::Ship));
        for (user, scope) in users.chain(row.dev.iter().map(|user| (user, Scope::Dev))) {
            if !has(packages, user, row.name, scope) {
                findings.push(unused(user, row.name, scope, row.why));
            }
        }
        if row.ship.is_empty() && row.dev.is_empty() {
            let problem = format!("the row of {} names no crate that uses it", row.name);
            findings.push(Finding::of(TABLE, problem, "remove the row"));
        }
    }
    findings
}

fn allowed(from: &str, dependency: &Dependency, ours: &[Ours], external: &[External]) -> bool {
    let to = short(&dependency.package);
    let scope = dependency.scope;
    ours.iter().any(|row| row.from == from && row.to == to && row.scope == scope)
        || external.iter().any(|row| {
            let users = match scope {
                Scope::Dev => row.dev,
                Scope::Ship => row.ship,
            };
            row.name == dependency.package && users.contains(&from)
        })
}

fn has(packages: &[Package], from: &str, to: &str, scope: Scope) -> bool {
    packages.iter().filter(|package| short(&package.name) == from).any(|package| {
        package.dependencies.iter().any(|d| short(&d.package) == to && d.scope == scope)
    })
}

fn not_in_table(package: &Package, dependency: &Dependency) -> Finding {
    let (from, to) = (short(&package.name), short(&dependency.package));
    Finding::of(
        &format!("{}/Cargo.toml", package.dir),
        format!("{from} may not use {to} {}", section(dependency.scope)),
        format!("do without it, or add the edge with its reason to {TABLE}, in its own commit"),
    )
}

fn unused(from: &str, to: &str, scope: Scope, why: &str) -> Finding {
    Finding::of(
        TABLE,
        format!("{from} does not use {to} {} any more", section(scope)),
        format!("remove it from the table (it was there for: {why})"),
    )
}

/// Finds dependencies that are declared and that no code names.
fn check_named(package: &Package, sources: &[Source]) -> Vec<Finding> {
    let own: Vec<_> = sources.iter().filter(|source| source.crate_dir() == package.dir).collect();
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let areas = own.iter().flat_map(|source| {
            source
                .lines()
                .filter(|(_, code)| has_word(code, &dependency.ident))
                .map(|(line, _)| source.area(line))
        });
        let areas: Vec<Area> = areas.collect();
        let remedy = match dependency.scope {
            Scope::Ship if areas.contains(&Area::Ship) => continue,
            Scope::Dev if !areas.is_empty() => continue,
            Scope::Ship if !areas.is_empty() => "move it to [dev-dependencies]",
            Scope::Dev | Scope::Ship => "remove it from the Cargo.toml",
        };
        let problem = format!(
            "{} {} is not named by that code",
            dependency.package,
            section(dependency.scope)
        );
        findings.push(Finding::of(&format!("{}/Cargo.toml", package.dir), problem, remedy));
    }
    findings
}

/// Our crates without their common prefix, as the table names them.
fn short(name: &str) -> &str {
    name.strip_prefix("reveille-").unwrap_or(name)
}

fn section(scope: Scope) -> &'static str {
    match scope {
        Scope::Dev => "in [dev-dependencies]",
        Scope::Ship => "in [dependencies]",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE_OURS: &[Ours] =
        &[Ours { from: "store", to: "domain", scope: Scope::Ship, why: "a sample" }];
    const SAMPLE_EXTERNAL: &[External] =
        &[External { name: "rusqlite", why: "a sample", ship: &["store"], dev: &[] }];

    fn store(dependencies: &[(&str, Scope)]) -> Vec<Package> {
        let dependencies = dependencies.iter().map(|(package, scope)| Dependency {
            package: (*package).to_owned(),
            ident: short(package).replace('-', "_"),
            scope: *scope,
        });
        vec![Package {
            name: "reveille-store".to_owned(),
            dir: "crates/store".to_owned(),
            dependencies: dependencies.collect(),
            targets: Vec::new(),
        }]
    }

    #[track_caller]
    fn check(dependencies: &[(&str, Scope)], expected: &[&str]) {
        let findings = check_table(&store(dependencies), SAMPLE_OURS, SAMPLE_EXTERNAL);
        let problems: Vec<_> = findings.iter().map(|finding| finding.problem.as_str()).collect();
        assert_eq!(problems, expected);
    }

    const DOMAIN: (&str, Scope) = ("reveille-domain", Scope::Ship);
    const RUSQLITE: (&str, Scope) = ("rusqlite", Scope::Ship);

    #[test]
    fn edges_of_the_table_pass() {
        check(&[DOMAIN, RUSQLITE], &[]);
    }

    #[test]
    fn an_edge_between_ours_must_be_in_the_table() {
        let wire = ("reveille-wire", Scope::Ship);
        check(&[DOMAIN, RUSQLITE, wire], &["store may not use wire in [dependencies]"]);
    }

    #[test]
    fn an_external_crate_must_be_in_the_table_for_that_scope() {
        let dev = ("rusqlite", Scope::Dev);
        check(&[DOMAIN, RUSQLITE, dev], &["store may not use rusqlite in [dev-dependencies]"]);
        let other = ("serde", Scope::Ship);
        check(&[DOMAIN, RUSQLITE, other], &["store may not use serde in [dependencies]"]);
    }

    #[test]
    fn a_row_nobody_uses_is_reported() {
        check(&[RUSQLITE], &["store does not use domain in [dependencies] any more"]);
        check(&[DOMAIN], &["store does not use rusqlite in [dependencies] any more"]);
    }

    #[test]
    fn a_dependency_that_no_code_names_is_reported() {
        let source = |path: &str, text: &str| Source::new(path.into(), text.into());
        let sources = [
            source("crates/store/src/lib.rs", "use domain::Time; // rusqlite"),
            source("crates/store/tests/main.rs", "use rusqlite::Connection;"),
        ];
        let package = &store(&[DOMAIN, RUSQLITE])[0];
        let findings = check_named(package, &sources);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].remedy, "move it to [dev-dependencies]");
        let findings = check_named(package, &sources[..1]);
        assert_eq!(findings[0].remedy, "remove it from the Cargo.toml");
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(OURS.is_sorted_by_key(|row| (row.from, row.to)), "sort OURS");
        assert!(EXTERNAL.is_sorted_by_key(|row| row.name), "sort EXTERNAL");
        for row in EXTERNAL {
            assert!(row.ship.is_sorted() && row.dev.is_sorted(), "sort the users of {}", row.name);
            assert!(!row.why.is_empty(), "say why {} is used", row.name);
        }
    }
}
