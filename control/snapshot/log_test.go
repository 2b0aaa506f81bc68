package snapshot

import (
	"slices"
	"testing"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/telemetry/accesslog"
)

// The configuration knows no log, so it has the names once more.
func TestTheConfigurationKnowsTheLogsFields(t *testing.T) {
	if !slices.Equal(config.LogFields(), accesslog.Variables()) {
		t.Errorf("the configuration knows %v, the log has %v", config.LogFields(), accesslog.Variables())
	}
	if !slices.Equal(config.LogColumns(), accesslog.Columns()) {
		t.Errorf("the configuration knows the columns %v, the log has %v", config.LogColumns(), accesslog.Columns())
	}
}
