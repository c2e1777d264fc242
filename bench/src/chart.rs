//! Pictures of tables, as SVG: bars with their spread, and lines over time or size.

use std::fmt::Write as _;

const FONT: &str = "font-family=\"system-ui, sans-serif\" font-size=\"13\"";
const INK: &str = "#24292f";
const PALE: &str = "#d0d7de";
/// For series, and for a bar that is meant to be seen.
const COLOURS: [&str; 5] = ["#0969da", "#bc4c00", "#1a7f37", "#8250df", "#cf222e"];
const GREY: &str = "#8c959f";
const WIDTH: f64 = 860.0;

/// A bar.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) label: String,
    /// The median, the lowest and the highest.
    pub(crate) values: [f64; 3],
    /// Whether it is one of ours.
    pub(crate) own: bool,
}

/// Points that are joined.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Something that happened at a point of the horizontal axis.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) at: f64,
    pub(crate) label: String,
}

/// Horizontal bars.
pub(crate) fn bars(title: &str, note: &str, bars: &[Bar]) -> String {
    const LEFT: f64 = 190.0;
    const STEP: f64 = 24.0;
    let right = WIDTH - 150.0;
    let most = bars.iter().map(|bar| bar.values[2]).fold(0.0, f64::max);
    let scale = (right - LEFT) / most;
    let mut svg = String::new();
    let mut top = 64.0;
    for bar in bars {
        let [middle, low, high] = bar.values;
        let colour = if bar.own { COLOURS[0] } else { GREY };
        let (baseline, centre) = (top + 14.0, top + 9.0);
        text(&mut svg, LEFT - 8.0, baseline, "end", &bar.label);
        let width = middle * scale;
        writeln!(
            svg,
            r#"<rect x="{LEFT}" y="{top:.0}" width="{width:.1}" height="18" fill="{colour}"/>"#
        )
        .unwrap();
        line(&mut svg, (LEFT + low * scale, centre), (LEFT + high * scale, centre), INK);
        let said = format!("{middle:.2} ({low:.2}–{high:.2})");
        text(&mut svg, LEFT + high * scale + 6.0, baseline, "start", &said);
        top += STEP;
    }
    let one = LEFT + scale;
    if most >= 1.0 {
        line(&mut svg, (one, 56.0), (one, top), INK);
    }
    page(title, note, top + 12.0, &svg)
}

/// An axis, which may be logarithmic.
struct Axis {
    first: f64,
    last: f64,
    log: bool,
}

impl Axis {
    /// How far along it a value lies, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        let place = |value: f64| if self.log { value.max(self.first).ln() } else { value };
        let (first, last) = (place(self.first), place(self.last));
        (place(value) - first) / (last - first).max(1e-9)
    }

    /// Round values along it.
    fn steps(&self) -> Vec<f64> {
        if self.log {
            let powers = (-3..9).map(|power| 10_f64.powi(power));
            return powers.filter(|it| *it >= self.first && *it <= self.last).collect();
        }
        let rough = (self.last - self.first) / 6.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|it| *it >= rough);
        let step = step.unwrap_or(power);
        let steps = (0..40).map(|it| f64::from(it) * step);
        steps.filter(|it| *it >= self.first && *it <= self.last).collect()
    }
}

type Coordinate = fn(&(f64, f64)) -> f64;

/// Where values lie on the picture.
struct Axes {
    x: Axis,
    y: Axis,
}

const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 30.0;
const UPPER: f64 = 96.0;
const LOWER: f64 = 380.0;

impl Axes {
    fn of(lines: &[Line], log: Log) -> Self {
        let values = |of: Coordinate| lines.iter().flat_map(|it| &it.points).map(of);
        let least = |of| values(of).fold(f64::INFINITY, f64::min);
        let most = |of| values(of).fold(f64::NEG_INFINITY, f64::max);
        let x: Coordinate = |it| it.0;
        let y: Coordinate = |it| it.1;
        let lowest = if log == Log::Y { least(y).max(0.01) } else { 0.0 };
        Self {
            x: Axis { first: least(x), last: most(x), log: log == Log::X },
            y: Axis { first: lowest, last: most(y) * 1.05, log: log == Log::Y },
        }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.part(value) * (RIGHT - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        LOWER - self.y.part(value) * (LOWER - UPPER)
    }
}

/// Which axis is logarithmic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    Neither,
    X,
    Y,
}

/// Lines over common axes, with what happened meanwhile.
pub(crate) fn lines(title: &str, note: &str, log: Log, lines: &[Line], marks: &[Mark]) -> String {
    let axes = Axes::of(lines, log);
    let mut svg = String::new();
    grid(&mut svg, &axes);
    for (number, mark) in marks.iter().enumerate() {
        let at = axes.x(mark.at);
        line(&mut svg, (at, UPPER), (at, LOWER), COLOURS[1]);
        // Two rows, so that neighbours do not run into each other.
        let row = if number % 2 == 0 { 0.0 } else { 15.0 };
        text(&mut svg, at, UPPER - 20.0 + row, "middle", &mark.label);
    }
    for (number, line) in lines.iter().enumerate() {
        let colour =
            if line.label.starts_with("without") { GREY } else { COLOURS[number % COLOURS.len()] };
        let path: Vec<String> = line
            .points
            .iter()
            .map(|&(x, y)| format!("{:.1},{:.1}", axes.x(x), axes.y(y)))
            .collect();
        let path = path.join(" ");
        writeln!(
            svg,
            r#"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>"#
        )
        .unwrap();
        let at = f64::from(u32::try_from(number).unwrap()).mul_add(190.0, LEFT);
        writeln!(svg, r#"<rect x="{at}" y="420" width="14" height="4" fill="{colour}"/>"#).unwrap();
        text(&mut svg, at + 20.0, 427.0, "start", &line.label);
    }
    page(title, note, 440.0, &svg)
}

fn grid(svg: &mut String, axes: &Axes) {
    for value in axes.y.steps() {
        let y = axes.y(value);
        line(svg, (LEFT, y), (RIGHT, y), PALE);
        text(svg, LEFT - 8.0, y + 4.0, "end", &number(value));
    }
    for value in axes.x.steps() {
        text(svg, axes.x(value), LOWER + 18.0, "middle", &number(value));
    }
    line(svg, (LEFT, LOWER), (RIGHT, LOWER), INK);
}

/// Without zeros at its end.
fn number(value: f64) -> String {
    format!("{}", (value * 1000.0).round() / 1000.0)
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    writeln!(
        svg,
        r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}"/>"#
    )
    .unwrap();
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, said: &str) {
    let said = escaped(said);
    writeln!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{INK}">{said}</text>"#
    )
    .unwrap();
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn page(title: &str, note: &str, height: f64, drawn: &str) -> String {
    let (title, note) = (escaped(title), escaped(note));
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" {FONT}>
<rect width="100%" height="100%" fill="white"/>
<text x="14" y="24" font-size="16" font-weight="600" fill="{INK}">{title}</text>
<text x="14" y="44" font-size="11" fill="{INK}">{note}</text>
{drawn}</svg>
"#
    )
}
