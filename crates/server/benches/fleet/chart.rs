//! The chart: for each platform and policy, which share of the messages is on the device after 10 s,
//! 60 s and 10 min.

use std::fmt::Write as _;

use crate::Named;
use crate::study::{Outcome, Tally};
use crate::tables::{platforms, ratio, share};

const WIDTH: u32 = 720;
/// The axis begins here and is so long.
const LEFT: f64 = 180.0;
const LENGTH: f64 = 400.0;
/// Where the numbers beside it stand.
const PUSHES: u32 = 690;
const ROW: u32 = 22;
const HEAD: u32 = 30;
const TOP: u32 = 58;

/// Mid-tones that are legible on white and on black; only text and lines change with the theme.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#24292f}.h{font-weight:600}.s{fill:#57606a;font-size:11px}.g{stroke:#d0d7de}.l{stroke:#8c959f;stroke-width:2}.r .l{stroke:#bc6c00}.c{fill:#0969da;stroke:#0969da;stroke-width:2}.r .c{fill:#bc6c00;stroke:#bc6c00}.o{fill:none}.r text{font-weight:600}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.g{stroke:#3d444d}.l{stroke:#9198a1}.c{fill:#4493f8;stroke:#4493f8}.r .l{stroke:#e3a04f}.r .c{fill:#e3a04f;stroke:#e3a04f}.c.o,.r .c.o{fill:none}}.c.o,.r .c.o{fill:none}";

/// Draws it.
pub(crate) fn draw(named: &[Named], outcomes: &[Outcome]) -> String {
    let rows = u32::try_from(named.len()).unwrap_or(0);
    let panel = HEAD + rows * ROW + 10;
    let height = TOP + 3 * panel + 18;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">Share of messages on the device after 10 s, 60 s and 10 min, by platform and policy</title>\n\
         <style>{STYLE}</style>\n"
    );
    text(&mut svg, 0, 16, "h", "start", "Messages on the device after being reachable for");
    legend(&mut svg);
    text(&mut svg, PUSHES, 38, "s", "end", "pushes per wake");
    for place in 0..3 {
        let top = TOP + u32::try_from(place).unwrap_or(0) * panel;
        let name = outcomes.first().map_or("", |outcome| platforms(outcome)[place].0);
        text(&mut svg, 0, top + 16, "h", "start", name);
        grid(&mut svg, top + HEAD - 8, top + HEAD + rows * ROW - 6);
        for (index, (named, outcome)) in named.iter().zip(outcomes).enumerate() {
            let y = top + HEAD + u32::try_from(index).unwrap_or(0) * ROW;
            mark(&mut svg, named.name, &platforms(outcome)[place].1, y);
        }
    }
    for percent in [0, 25, 50, 75, 100] {
        let x = at(f64::from(percent)) as u32;
        text(&mut svg, x, height - 4, "s", "middle", &format!("{percent} %"));
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String) {
    let entries = [(LEFT, "10 s"), (LEFT + 70.0, "60 s"), (LEFT + 140.0, "10 min")];
    for ((x, name), shape) in entries.into_iter().zip([hollow, filled, tick]) {
        shape(svg, x + 6.0, 34);
        text(svg, x as u32 + 16, 38, "s", "start", name);
    }
}

fn grid(svg: &mut String, top: u32, bottom: u32) {
    for percent in [0, 25, 50, 75, 100] {
        let x = at(f64::from(percent));
        let _ = writeln!(
            svg,
            "<line class=\"g\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>"
        );
    }
}

/// One policy on one platform.
fn mark(svg: &mut String, name: &str, tally: &Tally, y: u32) {
    let class = if name == "Reveille, default" { " class=\"r\"" } else { "" };
    let _ = writeln!(svg, "<g{class}>");
    text(svg, 14, y + 4, "n", "start", name);
    let parts = [tally.within_10_s, tally.within_60_s, tally.within_10_min];
    let [first, second, third] =
        parts.map(|part| at(share(part, tally.messages).unwrap_or_default()));
    let from = (first + 4.0).min(third);
    let _ = writeln!(
        svg,
        "<line class=\"l\" x1=\"{from:.1}\" x2=\"{third:.1}\" y1=\"{y}\" y2=\"{y}\"/>"
    );
    hollow(svg, first, y);
    tick(svg, third, y);
    filled(svg, second, y);
    text(svg, PUSHES, y + 4, "n", "end", &ratio(tally.pushes_per_wake()));
    svg.push_str("</g>\n");
}

fn hollow(svg: &mut String, x: f64, y: u32) {
    let _ = writeln!(svg, "<circle class=\"c o\" cx=\"{x:.1}\" cy=\"{y}\" r=\"4\"/>");
}

fn filled(svg: &mut String, x: f64, y: u32) {
    let _ = writeln!(svg, "<circle class=\"c\" cx=\"{x:.1}\" cy=\"{y}\" r=\"4\"/>");
}

fn tick(svg: &mut String, x: f64, y: u32) {
    let (top, bottom) = (y - 6, y + 6);
    let _ = writeln!(
        svg,
        "<line class=\"c\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>"
    );
}

fn at(percent: f64) -> f64 {
    LEFT + LENGTH * percent / 100.0
}

fn text(svg: &mut String, x: u32, y: u32, class: &str, anchor: &str, words: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}
