//! Photographs of the demo: drawn, and encoded as real JPEG files.

mod jpeg;

use super::plan::Picture;

const WIDTH: usize = 480;
const HEIGHT: usize = 360;

type Colour = [f32; 3];

const WALL: Colour = [196.0, 190.0, 178.0];
const FLOOR: Colour = [112.0, 108.0, 104.0];
const FRAME: Colour = [58.0, 60.0, 64.0];
const DIAL: Colour = [244.0, 242.0, 236.0];
const RED: Colour = [190.0, 34.0, 30.0];
const GREEN: Colour = [52.0, 140.0, 66.0];
const WATER: Colour = [70.0, 128.0, 170.0];
const DARK: Colour = [24.0, 22.0, 26.0];

/// Height at which the wall meets the floor.
const FLOOR_Y: f32 = 300.0;

/// Takes a photograph, as a baseline JPEG file.
pub(super) fn take(picture: Picture) -> Vec<u8> {
    let scene = move |x: usize, y: usize| {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        let colour = match picture {
            Picture::Gauge(reading) => gauge(x, y, reading),
            Picture::Door(opening) => door(x, y, opening),
            Picture::Tank(level) => tank(x, y, level),
        };
        lit(colour.unwrap_or(if y < FLOOR_Y { WALL } else { FLOOR }), x, y)
    };
    jpeg::encode(WIDTH, HEIGHT, scene)
}

/// A hand lamp: bright in the middle, dark in the corners, with the grain of a small sensor.
fn lit([red, green, blue]: Colour, x: f32, y: f32) -> [u8; 3] {
    let (dx, dy) = ((x - 250.0) / 480.0, (y - 150.0) / 360.0);
    let light = 1.08 - 0.9 * (dx * dx + dy * dy);
    let grain = ((x * 12.9898 + y * 78.233).sin() * 43758.547).fract() * 6.0;
    [red, green, blue].map(|value| (value * light + grain).clamp(0.0, 255.0) as u8)
}

/// A pressure gauge with a green field in the middle of its scale.
fn gauge(x: f32, y: f32, reading: f32) -> Option<Colour> {
    let (dx, dy) = (x - 240.0, y - 165.0);
    let radius = dx.hypot(dy);
    // The scale runs clockwise over 270 degrees, from the lower left to the lower right.
    let turn = dx.atan2(-dy).to_degrees();
    let on_scale = (turn + 135.0) / 270.0;
    let needle = (reading * 270.0 - 135.0).to_radians();
    let along = dx * needle.sin() - dy * needle.cos();
    let across = dx * needle.cos() + dy * needle.sin();
    if (-18.0..92.0).contains(&along) && across.abs() < 3.0 || radius < 9.0 {
        return Some(DARK);
    }
    match radius {
        r if r > 132.0 => (dx.abs() < 16.0 && y > 290.0).then_some(FRAME),
        r if r > 120.0 => Some(FRAME),
        r if (96.0..114.0).contains(&r) && (0.4..0.7).contains(&on_scale) => Some(GREEN),
        r if (96.0..114.0).contains(&r) && (0.0..1.0).contains(&on_scale) => Some(RED),
        _ => Some(DIAL),
    }
}

/// A fire door in its frame, open by a share of its width.
fn door(x: f32, y: f32, opening: f32) -> Option<Colour> {
    let inside = (150.0..330.0).contains(&x) && (40.0..FLOOR_Y).contains(&y);
    let frame = (138.0..342.0).contains(&x) && (28.0..FLOOR_Y).contains(&y);
    if !inside {
        return frame.then_some(FRAME);
    }
    let edge = 330.0 - 180.0 * opening;
    if x > edge {
        return Some(DARK);
    }
    let handle = (edge - 26.0..edge - 8.0).contains(&x) && (176.0..184.0).contains(&y);
    let sign = (x - 200.0).hypot(y - 110.0) < 22.0;
    Some(if handle {
        FRAME
    } else if sign {
        DIAL
    } else {
        RED
    })
}

/// A water tank with a sight glass.
fn tank(x: f32, y: f32, level: f32) -> Option<Colour> {
    let body = (110.0..370.0).contains(&x) && (50.0..FLOOR_Y).contains(&y);
    let glass = (300.0..324.0).contains(&x) && (70.0..280.0).contains(&y);
    let surface = 280.0 - 210.0 * level;
    match (glass, body) {
        (true, _) => Some(if y > surface { WATER } else { DIAL }),
        (_, true) => Some(if (y - 50.0) % 50.0 < 3.0 { FRAME } else { [150.0, 156.0, 160.0] }),
        _ => None,
    }
}
