//! Journeys against the simulators.
