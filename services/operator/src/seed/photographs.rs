//! The photographs of the demo: JPEG files of 320 by 240 pixels.

pub(super) const GAUGE_LOW: &[u8] = include_bytes!("photographs/gauge_low.jpg");
pub(super) const GAUGE_HALFWAY: &[u8] = include_bytes!("photographs/gauge_halfway.jpg");
pub(super) const GAUGE_AT_THE_LEFT_END: &[u8] = include_bytes!("photographs/gauge_at_the_left_end.jpg");
pub(super) const DOOR_AJAR: &[u8] = include_bytes!("photographs/door_ajar.jpg");
pub(super) const DOOR_NOT_LATCHED: &[u8] = include_bytes!("photographs/door_not_latched.jpg");
pub(super) const DOOR_WIDE_OPEN: &[u8] = include_bytes!("photographs/door_wide_open.jpg");
pub(super) const TANK_TWO_THIRDS_FULL: &[u8] = include_bytes!("photographs/tank_two_thirds_full.jpg");
