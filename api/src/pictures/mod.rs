//! Pictures of trends, as SVG: sums over time with their severity bands, a session's readings with its limits.
//!
//! Guarantees: the same values give the same bytes, on any machine (no font is asked how wide it is); no name, no text
//! that a person typed; every picture carries a title and a description that says in words what it shows. A picture adds
//! nothing to the numbers beside it, `/trends` has them all.

use std::fmt::Write as _;

use plotters::prelude::{BLACK, DrawingArea, IntoFont as _, RGBColor, SVGBackend, TextStyle};
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, Pos, VPos};

mod scores;
mod vitals;

pub use scores::of_scores;
pub use vitals::of_vitals;

/// Width of every picture, pixels; it scales without loss.
const WIDTH: u32 = 860;

/// Height of one panel, pixels.
const PANEL_HEIGHT: u32 = 300;

/// The line of what was measured or summed.
const INK: RGBColor = RGBColor(0, 70, 140);

/// A second line in the same panel: another hue, another lightness, another mark.
const SECOND_INK: RGBColor = RGBColor(170, 80, 0);

/// Limits, doses, axes.
const FAINT: RGBColor = RGBColor(95, 95, 95);

/// The library could not draw.
#[derive(Debug, thiserror::Error)]
#[error("a picture could not be drawn: {0}")]
pub struct NotDrawn(String);

impl NotDrawn {
    fn because(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// A text of a size in pixels, set by its place.
fn text_style(size: u32, color: RGBColor, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    TextStyle {
        font: ("sans-serif", size).into_font(),
        color: color.to_backend_color(),
        pos: Pos::new(horizontal, vertical),
    }
}

/// Draws `panels` under each other and wraps them with title and description.
fn picture(
    title: &str,
    description: &str,
    panels: usize,
    mut draw: impl FnMut(usize, &Area<'_>) -> Result<(), NotDrawn>,
) -> Result<String, NotDrawn> {
    let mut drawn = String::new();
    let height = PANEL_HEIGHT * u32::try_from(panels.max(1)).unwrap_or(1);
    {
        let root: Area<'_> = SVGBackend::with_string(&mut drawn, (WIDTH, height)).into_drawing_area_of();
        root.fill(&plotters::style::WHITE).map_err(NotDrawn::because)?;
        for (index, panel) in root.split_evenly((panels.max(1), 1)).iter().enumerate() {
            draw(index, panel)?;
        }
        root.present().map_err(NotDrawn::because)?;
    }
    let Some((_, body)) = drawn.split_once('>') else {
        return Err(NotDrawn("no picture came back".to_owned()));
    };
    let mut svg = String::with_capacity(drawn.len() + description.len() + 300);
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-labelledby=\"title description\">\n<title id=\"title\">{}</title>\n<desc id=\"description\">{}</desc>",
        escaped(title),
        escaped(description),
    );
    svg.push_str(body);
    Ok(svg)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// "Nothing was answered yet" where a chart would be.
fn empty_panel(panel: &Area<'_>, heading: &str, words: &str) -> Result<(), NotDrawn> {
    heading_of(panel, heading)?;
    let style = text_style(15, FAINT, HPos::Left, VPos::Top);
    panel
        .draw_text(words, &style, (20, 60))
        .map_err(NotDrawn::because)
}

fn heading_of(panel: &Area<'_>, heading: &str) -> Result<(), NotDrawn> {
    let style = text_style(17, BLACK, HPos::Left, VPos::Top);
    panel
        .draw_text(heading, &style, (20, 12))
        .map_err(NotDrawn::because)
}

trait IntoArea<'a> {
    fn into_drawing_area_of(self) -> Area<'a>;
}

impl<'a> IntoArea<'a> for SVGBackend<'a> {
    fn into_drawing_area_of(self) -> Area<'a> {
        plotters::prelude::IntoDrawingArea::into_drawing_area(self)
    }
}

#[cfg(test)]
mod tests {
    use bedside_protocol::document::{InstrumentRules, ProtocolDocument};
    use bedside_protocol::instruments::{Answers, InstrumentKey, Score};
    use bedside_protocol::people::Caller;
    use bedside_protocol::time::{Instant, Zone, minutes};
    use bedside_protocol::trends;
    use bedside_protocol::vitals::{Phase, Reading, Vitals};
    use uuid::Uuid;

    fn at(day: i64) -> Instant {
        "2026-11-20T17:00:00Z".parse::<Instant>().unwrap() + minutes(day * 24 * 60)
    }

    fn scores(sums: &[(i64, u32)]) -> String {
        let score = |(day, total): &(i64, u32)| Score {
            id: Uuid::from_u128(u128::from(day.unsigned_abs())).into(),
            instrument: InstrumentKey::Phq9,
            answers: Answers::new(),
            total: Some(*total),
            observed_at: at(*day),
            claimed_at: None,
            received_at: at(*day),
            by: Caller::System,
        };
        let scores: Vec<Score> = sums.iter().map(score).collect();
        let doses: Vec<Instant> = sums.iter().skip(1).map(|(day, _)| at(day - 1)).collect();
        let rules = InstrumentRules::default();
        let series = InstrumentKey::SCORED.map(|key| trends::of_scores(key, &scores, &doses, &rules));
        super::of_scores(&series, Zone::named("America/New_York").unwrap()).unwrap()
    }

    fn vitals(readings: &[(i64, u32)]) -> String {
        let reading = |(minute, sbp): &(i64, u32)| Reading {
            id: Uuid::from_u128(u128::from(*sbp)).into(),
            vitals: Vitals {
                sbp: *sbp,
                dbp: 80,
                hr: 72,
                spo2: (*minute > 60).then_some(97),
            },
            phase: if *minute < 0 {
                Phase::BeforeDose
            } else {
                Phase::InSession
            },
            with_symptom: *minute == 45,
            observed_at: at(0) + minutes(*minute),
            received_at: at(0),
            by: Caller::System,
        };
        let readings: Vec<Reading> = readings.iter().map(reading).collect();
        let rules = ProtocolDocument::shipped().unwrap().vitals;
        super::of_vitals(&trends::of_vitals(&readings, at(0), !readings.is_empty(), &rules)).unwrap()
    }

    #[test]
    fn a_picture_says_in_words_what_it_shows_and_nothing_else_names_a_number() {
        let svg = scores(&[(0, 19), (8, 12), (22, 4)]);
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"600\""));
        assert!(svg.contains("role=\"img\" aria-labelledby=\"title description\""));
        assert!(svg.contains(
            "PHQ-9, from 0 to 27: 2026-11-20 19 (moderately severe); 2026-11-28 12 (moderate); 2026-12-12 4 (none or minimal). \
             Doses: 2026-11-27, 2026-12-11. GAD-7, from 0 to 21: not answered yet."
        ));
        let svg = vitals(&[(-20, 120), (45, 150), (90, 130)]);
        assert!(svg.contains(
            "-20: 120/80, pulse 72; 45: 150/80, pulse 72, with a symptom; 90: 130/80, pulse 72, oxygen 97 percent. \
             Limits before the dose: systolic over 140"
        ));
        assert!(svg.contains("height=\"900\""), "three panels with oxygen");
    }

    #[test]
    fn with_nothing_to_show_a_picture_says_so() {
        let nothing = scores(&[]);
        assert_eq!(nothing.matches("Not answered yet.").count(), 2);
        assert!(vitals(&[]).contains("Nothing was measured."));
        assert!(vitals(&[]).ends_with("</svg>\n"));
    }

    #[test]
    fn the_same_values_give_the_same_bytes() {
        let sums = [(0, 19), (8, 12), (22, 4)];
        assert_eq!(scores(&sums), scores(&sums));
        assert_eq!(scores(&sums), include_str!("scores.svg"));
    }

    #[test]
    fn any_sum_at_any_time_can_be_drawn() {
        for sums in [
            &[(0, 0)][..],
            &[(0, 27), (1, 0)],
            &[(0, 27), (9000, 27)],
            &[(0, 5), (0, 9)],
        ] {
            scores(sums);
        }
        for readings in [&[(0, 60)][..], &[(-1440, 260), (10_000, 60)]] {
            vitals(readings);
        }
    }
}
