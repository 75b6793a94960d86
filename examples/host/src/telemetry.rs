//! What the operator sees: the log on standard error, and metrics as Prometheus reads them.

use std::error::Error;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use ssf_transmitter::Transmitter;
use tracing_subscriber::filter::LevelFilter;

/// The upper ends of the buckets of all durations, in seconds.
const BUCKETS: [f64; 12] =
    [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 600.0, 3600.0, 86_400.0];
/// How often what was measured is put into buckets.
const TIDY: Duration = Duration::from_secs(5);

/// Writes the log to standard error, down to that level.
pub(crate) fn log(level: LevelFilter) {
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    // Whoever installed another one before has it.
    let _ = subscriber.try_init();
}

/// Begins to keep metrics. Must be called within a tokio runtime.
pub(crate) fn metrics() -> Result<PrometheusHandle, Box<dyn Error>> {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    Transmitter::describe_metrics();
    let tidied = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(TIDY).await;
            tidied.run_upkeep();
        }
    });
    Ok(handle)
}
