//! The alarms of a CloudFormation template, evaluated over the metric lines that functions printed (embedded metric format):
//! which would have fired, and when.
//!
//! As CloudWatch does it: values are gathered by periods of the clock, a period is compared by the alarm's statistic, and the
//! alarm fires at the end of the period with which enough of the last ones breach. A period without values counts as
//! `TreatMissingData` says.
//!
//! Deliberately absent: alarms on metrics that functions do not print (AWS's own namespaces) and those with metric math. They
//! are named in [`Report::not_evaluated`], with the reason. Dimensions are compared by name, not by value: hand over the logs
//! of one deployment.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Metric values of one name: time in milliseconds, dimension names, value.
type Values = BTreeMap<String, Vec<(i64, Vec<String>, f64)>>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Template {
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    resources: BTreeMap<String, Resource>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    default: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    r#type: String,
    #[serde(default)]
    properties: Properties,
}

/// Of all kinds of resources together: whatever is not named here is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Properties {
    namespace: Option<Value>,
    metric_name: Option<Value>,
    dimensions: Option<Value>,
    statistic: Option<String>,
    extended_statistic: Option<String>,
    period: Option<Value>,
    evaluation_periods: Option<Value>,
    datapoints_to_alarm: Option<Value>,
    threshold: Option<Value>,
    comparison_operator: Option<String>,
    treat_missing_data: Option<String>,
}

/// An alarm on a metric that functions print.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    name: String,
    metric: String,
    dimensions: Vec<String>,
    statistic: String,
    period_ms: i64,
    periods: usize,
    datapoints: usize,
    threshold: f64,
    operator: String,
    missing_breaches: bool,
}

/// An alarm that fired.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fired {
    /// Its name in the template.
    pub alarm: String,
    /// What it watches.
    pub metric: String,
    /// When it fired.
    pub at: String,
    /// The same, in seconds after the first metric line.
    pub after_s: i64,
    /// When it was well again, in seconds after the first metric line; none if it was not.
    pub well_after_s: Option<i64>,
    /// The value of the period with which it fired; none where there was none.
    pub value: Option<f64>,
    /// What it is compared with.
    pub threshold: f64,
}

/// What became of all alarms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The time of the first metric line; none if there is none.
    pub from: Option<String>,
    /// The time of the last one.
    pub to: Option<String>,
    /// Alarms that fired, the first first.
    pub fired: Vec<Fired>,
    /// Alarms that did not.
    pub quiet: Vec<String>,
    /// Alarms of which these logs say nothing, and why.
    pub not_evaluated: BTreeMap<String, String>,
}

/// Evaluates the alarms of a template over logs.
///
/// # Errors
/// A file cannot be read, or is no template.
pub fn evaluate(template: &Path, logs: &[impl AsRef<Path>]) -> Result<Report, String> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let template_text = read(template)?;
    let (alarms, not_evaluated) =
        alarms(&template_text).map_err(|problem| format!("{}: {problem}", template.display()))?;
    let mut values = Values::new();
    for log in logs {
        gather(&read(log.as_ref())?, &mut values);
    }
    Ok(report(&alarms, not_evaluated, &values))
}

type Alarms = (Vec<Alarm>, BTreeMap<String, String>);

fn alarms(text: &str) -> Result<Alarms, String> {
    let template: Template = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let (mut alarms, mut not_evaluated) = (Vec::new(), BTreeMap::new());
    for (name, resource) in template.resources {
        if resource.r#type != "AWS::CloudWatch::Alarm" {
            continue;
        }
        match alarm(&name, resource.properties, &template.parameters) {
            Ok(alarm) => alarms.push(alarm),
            Err(why) => drop(not_evaluated.insert(name, why)),
        }
    }
    Ok((alarms, not_evaluated))
}

fn alarm(name: &str, found: Properties, parameters: &BTreeMap<String, Parameter>) -> Result<Alarm, String> {
    // `!Ref NAME` is read as NAME.
    let resolved = |value: Option<Value>| match value {
        Some(Value::String(text)) => {
            parameters.get(&text).and_then(|known| known.default.clone()).or(Some(text.into()))
        }
        other => other,
    };
    let number = |what: &str, value: Option<Value>| match resolved(value) {
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(Value::String(text)) => Ok(text.parse().ok()),
        other => Err(format!("expected {what}, found {other:?}")),
    };
    let need = |what: &str, value: Option<Value>| {
        number(what, value)?.ok_or_else(|| format!("expected {what} as a number or a parameter with a default"))
    };
    let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
    let (Some(namespace), Some(metric)) = (text(&found.namespace), text(&found.metric_name)) else {
        return Err("metric math".to_owned());
    };
    if namespace.starts_with("AWS/") {
        return Err(format!("a metric of {namespace}, which functions do not print"));
    }
    let dimensions = found.dimensions.as_ref().and_then(Value::as_array).into_iter().flatten();
    let periods = need("EvaluationPeriods", found.evaluation_periods)? as usize;
    let datapoints = match found.datapoints_to_alarm {
        None => periods,
        some => need("DatapointsToAlarm", some)? as usize,
    };
    Ok(Alarm {
        name: name.to_owned(),
        metric,
        dimensions: dimensions.filter_map(|found| Some(found["Name"].as_str()?.to_owned())).collect(),
        statistic: found.statistic.or(found.extended_statistic).ok_or("expected a statistic, found none")?,
        period_ms: need("Period", found.period)? as i64 * 1_000,
        periods,
        datapoints,
        threshold: need("Threshold", found.threshold)?,
        operator: found.comparison_operator.ok_or("expected ComparisonOperator, found none")?,
        missing_breaches: found.treat_missing_data.as_deref() == Some("breaching"),
    })
}

/// Adds the values of all metric lines of a log. Other lines are passed over.
fn gather(log: &str, values: &mut Values) {
    for line in log.lines().filter(|line| line.contains("\"_aws\"")) {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let Some(at_ms) = event["_aws"]["Timestamp"].as_i64() else { continue };
        for directive in event["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
            let dimensions = directive["Dimensions"][0].as_array().into_iter().flatten();
            let dimensions: Vec<String> = dimensions.filter_map(|name| Some(name.as_str()?.to_owned())).collect();
            for name in
                directive["Metrics"].as_array().into_iter().flatten().filter_map(|metric| metric["Name"].as_str())
            {
                let found = match &event[name] {
                    Value::Array(found) => found.as_slice(),
                    one => std::slice::from_ref(one),
                };
                let found = found.iter().filter_map(Value::as_f64).map(|value| (at_ms, dimensions.clone(), value));
                values.entry(name.to_owned()).or_default().extend(found);
            }
        }
    }
}

fn report(alarms: &[Alarm], not_evaluated: BTreeMap<String, String>, values: &Values) -> Report {
    let times = || values.values().flatten().map(|(at_ms, ..)| *at_ms);
    let (from, to) = (times().min(), times().max());
    let mut report =
        Report { from: from.map(time), to: to.map(time), fired: Vec::new(), quiet: Vec::new(), not_evaluated };
    let (Some(from), Some(to)) = (from, to) else {
        report.quiet = alarms.iter().map(|alarm| alarm.name.clone()).collect();
        return report;
    };
    for alarm in alarms {
        let fired = alarm.over(values, from, to);
        if fired.is_empty() {
            report.quiet.push(alarm.name.clone());
        }
        report.fired.extend(fired);
    }
    report.fired.sort_by_key(|fired| fired.after_s);
    report
}

fn time(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

impl Alarm {
    /// Every time that it fired between two times.
    fn over(&self, values: &Values, from_ms: i64, to_ms: i64) -> Vec<Fired> {
        let mut gathered = BTreeMap::<i64, Vec<f64>>::new();
        for (at_ms, dimensions, value) in values.get(&self.metric).into_iter().flatten() {
            if *dimensions == self.dimensions {
                gathered.entry(at_ms.div_euclid(self.period_ms)).or_default().push(*value);
            }
        }
        let (mut breaches, mut fired) = (Vec::new(), Vec::<Fired>::new());
        let mut alarmed = false;
        for period in from_ms.div_euclid(self.period_ms)..=to_ms.div_euclid(self.period_ms) {
            let (begins, ends) = (period * self.period_ms, (period + 1) * self.period_ms);
            let value = gathered.get(&period).map(|values| self.statistic_of(values));
            // A period of which the logs know only a part may have had values.
            let known = begins >= from_ms && ends <= to_ms;
            breaches.push(value.map_or(self.missing_breaches && known, |value| self.breaches(value)));
            let last = &breaches[breaches.len().saturating_sub(self.periods)..];
            let breaching = last.iter().filter(|breaches| **breaches).count() >= self.datapoints.max(1);
            let after_s = (ends - from_ms).div_euclid(1_000);
            if breaching && !alarmed {
                fired.push(Fired {
                    alarm: self.name.clone(),
                    metric: self.metric.clone(),
                    at: time(ends),
                    after_s,
                    well_after_s: None,
                    value,
                    threshold: self.threshold,
                });
            } else if alarmed
                && !breaching
                && let Some(last) = fired.last_mut()
            {
                last.well_after_s = Some(after_s);
            }
            alarmed = breaching;
        }
        fired
    }

    fn breaches(&self, value: f64) -> bool {
        match self.operator.as_str() {
            "GreaterThanThreshold" => value > self.threshold,
            "GreaterThanOrEqualToThreshold" => value >= self.threshold,
            "LessThanThreshold" => value < self.threshold,
            _ => value <= self.threshold,
        }
    }

    fn statistic_of(&self, values: &[f64]) -> f64 {
        let sum = || values.iter().sum::<f64>();
        match self.statistic.as_str() {
            "Sum" => sum(),
            "SampleCount" => values.len() as f64,
            "Average" => sum() / values.len() as f64,
            "Minimum" => values.iter().copied().fold(f64::INFINITY, f64::min),
            "Maximum" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            percentile => {
                let share: f64 = percentile.trim_start_matches('p').parse().unwrap_or(100.0);
                let mut sorted = values.to_vec();
                sorted.sort_by(f64::total_cmp);
                let rank = (share / 100.0 * sorted.len() as f64).ceil() as usize;
                sorted[rank.clamp(1, sorted.len()) - 1]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEMPLATE: &str = r#"
Parameters:
  Limit: { Type: Number, Default: 5 }
Resources:
  Many:
    Type: AWS::CloudWatch::Alarm
    Properties: { Namespace: Muster, MetricName: Failures, Dimensions: [{ Name: Stack, Value: !Ref AWS::StackName }],
      Statistic: Sum, Period: 60, EvaluationPeriods: 3, DatapointsToAlarm: 2, Threshold: !Ref Limit,
      ComparisonOperator: GreaterThanThreshold, TreatMissingData: notBreaching }
  Slow:
    Type: AWS::CloudWatch::Alarm
    Properties: { Namespace: Muster, MetricName: WaitMs, Dimensions: [{ Name: Stack, Value: !Ref AWS::StackName }],
      ExtendedStatistic: p95, Period: 60, EvaluationPeriods: 1, Threshold: 100,
      ComparisonOperator: GreaterThanThreshold, TreatMissingData: notBreaching }
  Silent:
    Type: AWS::CloudWatch::Alarm
    Properties: { Namespace: Muster, MetricName: Failures, Dimensions: [{ Name: Stack, Value: !Ref AWS::StackName }],
      Statistic: SampleCount, Period: 60, EvaluationPeriods: 2, Threshold: 1,
      ComparisonOperator: LessThanThreshold, TreatMissingData: breaching }
  Theirs:
    Type: AWS::CloudWatch::Alarm
    Properties: { Namespace: AWS/Lambda, MetricName: Errors, Statistic: Sum, Period: 60, EvaluationPeriods: 1, Threshold: 0,
      ComparisonOperator: GreaterThanThreshold }
  Math:
    Type: AWS::CloudWatch::Alarm
    Properties: { EvaluationPeriods: 3, Threshold: 0, Metrics: [{ Id: a, Expression: "b + c" }] }
"#;

    /// A whole minute.
    const T0: i64 = 1_800_000_000_000;

    fn line(after_s: i64, dimension: &str, metric: &str, value: Value) -> String {
        let directive = json!({ "Namespace": "Muster", "Dimensions": [[dimension]], "Metrics": [{ "Name": metric }] });
        let aws = json!({ "Timestamp": T0 + after_s * 1_000, "CloudWatchMetrics": [directive] });
        json!({ "_aws": aws, dimension: "x", metric: value }).to_string()
    }

    fn evaluated(lines: &[String]) -> Report {
        let (alarms, not_evaluated) = alarms(TEMPLATE).unwrap();
        let mut values = Values::new();
        gather(&format!("no metric\n{}\n{{\"_aws\"", lines.join("\n")), &mut values);
        report(&alarms, not_evaluated, &values)
    }

    fn fired(report: &Report) -> Vec<(&str, i64, Option<i64>)> {
        report.fired.iter().map(|fired| (fired.alarm.as_str(), fired.after_s, fired.well_after_s)).collect()
    }

    #[test]
    fn an_alarm_fires_with_the_period_that_makes_enough_and_is_well_when_too_few_are_left() {
        let each: Vec<String> = [(0, 6), (60, 0), (120, 3), (130, 3), (180, 0), (240, 0)]
            .map(|(after_s, count)| line(after_s, "Stack", "Failures", json!(count)))
            .to_vec();
        let report = evaluated(&each);
        assert_eq!(fired(&report), [("Many", 180, Some(240))]);
        assert_eq!(report.quiet, ["Silent", "Slow"]);
        let not: Vec<&str> = report.not_evaluated.keys().map(String::as_str).collect();
        assert_eq!(not, ["Math", "Theirs"]);
    }

    #[test]
    fn the_threshold_itself_and_another_dimension_breach_nothing() {
        let lines = [0, 60, 120].map(|after_s| line(after_s, "Stack", "Failures", json!(5)));
        assert_eq!(fired(&evaluated(&lines)), []);
        let lines = [0, 60, 120].map(|after_s| line(after_s, "Stage", "WaitMs", json!(500)));
        assert_eq!(fired(&evaluated(&lines)).iter().filter(|(name, ..)| *name == "Slow").count(), 0);
    }

    #[test]
    fn a_percentile_is_of_all_values_and_silence_fires_where_it_breaches() {
        let waits: Vec<u32> = (1..=100).map(|n| if n <= 94 { 10 } else { 1_000 }).collect();
        let lines = [line(0, "Stack", "WaitMs", json!(waits)), line(300, "Stack", "WaitMs", json!([1]))];
        let report = evaluated(&lines);
        assert_eq!(fired(&report), [("Slow", 60, Some(120)), ("Silent", 120, Some(360))]);
        assert_eq!(report.fired[0].value, Some(1_000.0));
    }

    #[test]
    fn the_alarms_of_the_template_are_read() {
        let template = crate::local::workspace_root().join("template.yaml");
        let text = std::fs::read_to_string(template).unwrap();
        let (alarms, not_evaluated) = alarms(&text).unwrap();
        assert!(alarms.len() >= 5, "{alarms:?}");
        let odd: Vec<_> = not_evaluated.values().filter(|why| why.starts_with("expected")).collect();
        assert!(odd.is_empty(), "{odd:?}");
    }
}
