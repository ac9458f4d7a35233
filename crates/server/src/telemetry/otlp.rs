//! OTLP over HTTP with protobuf: what is collected, and where it is sent.

use std::{fmt, time::Duration};

use chancery_telemetry::{Distribution, Family, Labels, Points, Repeated, causes};
use opentelemetry_proto::{
    tonic::{
        collector::{
            metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
        },
        common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
        metrics::v1::{
            AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
            ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
        },
        resource::v1::Resource,
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use prost::Message;
use tokio::runtime::Handle;
use url::Url;

/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where telemetry is sent, and as whose.
#[derive(Clone)]
pub(crate) struct Collector {
    client: reqwest::Client,
    base: Url,
    instance: String,
}

/// Why something could not be sent. It never holds what was to be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The collector cannot be reached.
    #[error("the collector cannot be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// The collector does not take it.
    #[error("the collector answered {0}; see that `telemetry.otlp_endpoint` speaks OTLP over HTTP")]
    Refused(reqwest::StatusCode),
}

impl Collector {
    /// A collector at this endpoint, to which the signals' paths are added. `instance` tells this
    /// process from others.
    ///
    /// # Errors
    /// When no client can be made: the system's certificate authorities cannot be read.
    pub(crate) fn at(endpoint: &Url, instance: String) -> Result<Self, reqwest::Error> {
        let mut base = endpoint.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self {
            client,
            base,
            instance,
        })
    }

    async fn send(&self, path: &str, body: Vec<u8>) -> Result<(), SendError> {
        // A relative path without a scheme is always one below the base.
        let url = self.base.join(path).unwrap_or_else(|_| self.base.clone());
        let answer = self
            .client
            .post(url)
            .header("content-type", "application/x-protobuf")
            .body(body)
            .send()
            .await
            .map_err(reqwest::Error::without_url)?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(SendError::Refused(answer.status()))
        }
    }

    /// Sends what was counted from `began` to `now`, both in nanoseconds since 1970.
    pub(super) async fn send_metrics(
        &self,
        families: &[Family],
        began: u64,
        now: u64,
    ) -> Result<(), SendError> {
        let metrics = families
            .iter()
            .map(|family| metric(family, began, now))
            .collect();
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(Resource {
                    attributes: self.attributes().map(text).collect(),
                    ..Resource::default()
                }),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(InstrumentationScope {
                        name: SCOPE.to_owned(),
                        ..InstrumentationScope::default()
                    }),
                    metrics,
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        };
        self.send("v1/metrics", request.encode_to_vec()).await
    }

    /// Who sends, by the semantic conventions.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("service.name", "chancery"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", &self.instance),
        ]
        .into_iter()
    }
}

/// What everything is measured by.
pub(super) const SCOPE: &str = "chancery";

fn text((key, value): (&str, &str)) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

fn metric(family: &Family, began: u64, now: u64) -> Metric {
    let cumulative = i32::from(AggregationTemporality::Cumulative);
    let attributes = |labels: &Labels| -> Vec<_> {
        labels
            .iter()
            .map(|(key, value)| text((key, value)))
            .collect()
    };
    let number = |labels: &Labels, value| NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: began,
        time_unix_nano: now,
        value: Some(value),
        ..NumberDataPoint::default()
    };
    let doubles = |points: &[(Labels, f64)]| -> Vec<_> {
        let double = |(labels, value): &(Labels, f64)| {
            number(labels, number_data_point::Value::AsDouble(*value))
        };
        points.iter().map(double).collect()
    };
    let data = match &family.points {
        Points::Sums(points) => Data::Sum(Sum {
            data_points: points
                .iter()
                .map(|(labels, value)| {
                    let value = i64::try_from(*value).unwrap_or(i64::MAX);
                    number(labels, number_data_point::Value::AsInt(value))
                })
                .collect(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        Points::Levels(points) => Data::Sum(Sum {
            data_points: doubles(points),
            aggregation_temporality: cumulative,
            is_monotonic: false,
        }),
        Points::Gauges(points) => Data::Gauge(Gauge {
            data_points: doubles(points),
        }),
        Points::Histograms(points) => Data::Histogram(Histogram {
            data_points: points
                .iter()
                .map(|(labels, spread)| histogram(attributes(labels), spread, began, now))
                .collect(),
            aggregation_temporality: cumulative,
        }),
    };
    Metric {
        name: family.name.to_owned(),
        description: family.help.to_owned(),
        unit: family.unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn histogram(
    attributes: Vec<KeyValue>,
    spread: &Distribution,
    began: u64,
    now: u64,
) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes,
        start_time_unix_nano: began,
        time_unix_nano: now,
        count: spread.count(),
        sum: Some(spread.sum),
        bucket_counts: spread.counts.clone(),
        explicit_bounds: spread.bounds.to_vec(),
        ..HistogramDataPoint::default()
    }
}

/// Sends spans. The SDK calls it from a thread of its own, which has no reactor: the work is done by the
/// server's runtime.
pub(super) struct SpanSender {
    pub(super) collector: Collector,
    pub(super) runtime: Handle,
    pub(super) resource: ResourceAttributesWithSchema,
    pub(super) lost: Repeated,
}

impl fmt::Debug for SpanSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanSender").finish_non_exhaustive()
    }
}

impl SpanExporter for SpanSender {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        let collector = self.collector.clone();
        let work = async move { collector.send("v1/traces", request.encode_to_vec()).await };
        let error = match self.runtime.spawn(work).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => causes(&error),
            Err(error) => causes(&error),
        };
        if let Some(left_out) = self.lost.say() {
            tracing::warn!(error, spans, left_out, "spans were lost");
        }
        Err(OTelSdkError::InternalFailure(error))
    }

    fn set_resource(&mut self, resource: &opentelemetry_sdk::Resource) {
        self.resource = resource.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_sum_that_may_fall() {
        let family = Family::level("process.memory.usage", "By", "Memory.", 3.0);
        let Some(Data::Sum(sum)) = metric(&family, 1, 2).data else {
            panic!("a level adds up");
        };
        assert!(!sum.is_monotonic);
        let values: Vec<_> = sum.data_points.iter().map(|point| &point.value).collect();
        assert_eq!(values, [&Some(number_data_point::Value::AsDouble(3.0))]);
    }
}
