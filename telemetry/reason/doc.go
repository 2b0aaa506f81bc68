// Package reason says why an exchange ended: one row per reason, with the side whose doing it was and the stage it happened in.
// The words are those of the access log, the metric labels and the docs.
//
// Called by traffic/ when an exchange ends and by telemetry/ and control/ when it is shown.
package reason
