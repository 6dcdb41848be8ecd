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
