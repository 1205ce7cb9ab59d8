//! Line charts, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;
const COLOURS: &[&str] = &["#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf"];

/// Lines over time.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) lines: Vec<Line>,
    /// Drawn as a broken line.
    pub(crate) limit: Option<f64>,
}

/// One of them: a name, and seconds with values.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Chart<'_> {
    pub(crate) fn draw(&self) -> String {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let end = all().map(|point| point.0).fold(1.0, f64::max);
        let highest = all().map(|point| point.1).chain(self.limit).fold(f64::MIN_POSITIVE, f64::max);
        let top = rounded_up(highest);
        let x = |seconds: f64| LEFT + seconds / end * (WIDTH - LEFT);
        let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP);
        let mut svg = format!(
            "<figure><figcaption>{} ({}) {}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">",
            escape(self.title),
            escape(self.unit),
            self.legend()
        );
        for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let (value, seconds) = (top * part, end * part);
            let (at, along) = (y(value), x(seconds));
            let anchor = if part == 1.0 { "end" } else { "middle" };
            put(
                &mut svg,
                &format!("<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"),
            );
            put(
                &mut svg,
                &format!(
                    "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                    LEFT - 6.0,
                    at + 4.0,
                    short(value)
                ),
            );
            let time = time(seconds);
            put(
                &mut svg,
                &format!(
                    "<text x=\"{along:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{time}</text>",
                    HEIGHT - 6.0
                ),
            );
        }
        if let Some(limit) = self.limit {
            let at = y(limit);
            put(
                &mut svg,
                &format!(
                    "<line class=\"limit\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
                ),
            );
        }
        for (number, line) in self.lines.iter().enumerate() {
            let points =
                line.points.iter().map(|(seconds, value)| format!("{:.1},{:.1}", x(*seconds), y(*value)));
            let points = points.collect::<Vec<_>>().join(" ");
            put(&mut svg, &format!("<polyline stroke=\"{}\" points=\"{points}\"/>", colour(number)));
        }
        svg.push_str("</svg></figure>\n");
        svg
    }

    fn legend(&self) -> String {
        let entry = |(number, line): (usize, &Line)| {
            format!("<span style=\"color:{}\">{}</span>", colour(number), escape(&line.name))
        };
        self.lines.iter().enumerate().map(entry).collect::<Vec<_>>().join(" ")
    }
}

fn colour(number: usize) -> &'static str {
    COLOURS[number % COLOURS.len()]
}

fn put(svg: &mut String, element: &str) {
    svg.write_str(element).expect("writing to a string cannot fail");
}

/// The next of 1, 2, 4, 5 and 10 times a power of ten: a quarter of it is a number that can be read.
fn rounded_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value).unwrap_or(value)
}

fn short(value: f64) -> String {
    if value == 0.0 || value >= 10.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn time(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

/// Text within HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reaches_from_the_left_to_the_right_and_stays_inside() {
        let line = Line { name: "p95 <1>".to_owned(), points: vec![(0.0, 0.0), (10.0, 100.0)] };
        let svg = Chart { title: "times", unit: "ms", lines: vec![line], limit: Some(300.0) }.draw();
        assert!(svg.contains("points=\"64.0,196.0 900.0,149.5\""), "{svg}");
        assert!(svg.contains("class=\"limit\""), "{svg}");
        assert!(svg.contains("p95 &lt;1&gt;"), "{svg}");
    }

    #[test]
    fn the_scale_ends_at_a_round_number() {
        assert_eq!([0.7, 3.0, 41.0, 512.0].map(rounded_up), [1.0, 4.0, 50.0, 1_000.0]);
    }

    #[test]
    fn nothing_to_draw_is_an_empty_chart() {
        let svg = Chart { title: "errors", unit: "a second", lines: Vec::new(), limit: None }.draw();
        assert!(!svg.contains("NaN") && svg.ends_with("</figure>\n"), "{svg}");
    }
}
