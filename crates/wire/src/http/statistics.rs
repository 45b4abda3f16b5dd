//! What happened to an app over time, in numbers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::Time;

/// `GET /v1/apps/{app}/statistics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Statistics {
    /// The beginning of the first step.
    #[schemars(with = "Time")]
    pub since: jiff::Timestamp,
    /// The end of the last step.
    #[schemars(with = "Time")]
    pub until: jiff::Timestamp,
    /// How long a step is, in seconds.
    pub step: u32,
    /// The figures of all steps together.
    pub total: Figures,
    /// Every step, oldest first, also those in which nothing happened.
    pub items: Vec<StatisticsStep>,
}

/// The figures of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatisticsStep {
    /// Its beginning.
    #[schemars(with = "Time")]
    pub at: jiff::Timestamp,
    /// What happened in it.
    pub figures: Figures,
}

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Messages that were taken in and stored.
    pub messages: u64,
    /// Pushes that ended: those of wakes, direct pushes and broadcasts.
    pub pushes: PushFigures,
    /// Wakes for messages that came to a stage.
    pub wakes: WakeFigures,
    /// How long the devices that were woken took; left out where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_wake_ms: Option<Percentiles>,
}

/// What became of pushes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PushFigures {
    /// Taken by their push service.
    pub accepted: u64,
    /// Refused, by diagnosis code.
    pub refused: BTreeMap<u16, u64>,
    /// Without an answer.
    pub unknown: u64,
}

/// How many wakes came to each stage; each comes to a stage once at most, and to none without those
/// before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WakeFigures {
    /// A device had something to get, and no session.
    pub owed: u64,
    /// A push was written to a push service.
    pub pushed: u64,
    /// A push was taken.
    pub accepted: u64,
    /// The device came after that.
    pub connected: u64,
    /// It acknowledged all that it was woken for.
    pub drained: u64,
}

/// What so many of a hundred did not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    /// Half of them.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// 99 of a hundred.
    pub p99: u64,
}
