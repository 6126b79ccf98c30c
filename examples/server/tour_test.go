package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
)

// TestTourInTheREADME runs the commands of the README's tour as they stand there, in one shell, and holds what they print
// against what the README shows. Only what differs by nature (identifiers, times, tokens, what is recommended today) is not compared.
func TestTourInTheREADME(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("no %s on this machine: the tour was not taken", tool)
			return
		}
	}
	t.Run("memory", func(t *testing.T) { tour(t, start(t, "-store", "memory")) })
	t.Run("dynamodb", func(t *testing.T) {
		withoutAWS(t)
		endpoint := dynamotest.Endpoint(t)
		prefix := dynamotest.Prefix(t, dynamotest.Client(t, endpoint))
		tour(t, start(t, "-store", "dynamodb", "-dynamodb-endpoint", endpoint, "-table-prefix", prefix, "-create-tables"))
	})
}

func tour(t *testing.T, s *started) {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(readme), "\n## A five-minute tour\n")
	require.True(t, found)
	text, _, _ = strings.Cut(text, "\n## ")

	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```\n(?:\n```(?:text|json)\n(.*?)```)?").FindAllStringSubmatch(text, -1)
	require.Greater(t, len(blocks), 5)
	const mark = "--- next block ---"
	var script, want strings.Builder
	script.WriteString("set -euo pipefail\n")
	for _, b := range blocks {
		if strings.HasPrefix(b[1], "go run ") {
			continue // starts the server, which stands already
		}
		block := strings.ReplaceAll(b[1], "http://127.0.0.1:8080", s.base)
		// Who types it is later than a second after the reading, which is hence in the surroundings of what they do.
		block = strings.ReplaceAll(block, "date -u +%FT%TZ", "date -u +%FT%T.999Z")
		script.WriteString(block + "\necho; echo '" + mark + "'\n")
		want.WriteString(strings.TrimSpace(b[2]) + "\n" + mark + "\n")
	}
	c := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	c.Stderr = os.Stderr
	got, err := c.Output()
	require.NoError(t, err, string(got))
	require.Equal(t, timeless(want.String()), timeless(string(got)))
}

var changing = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "TIME"},
	{regexp.MustCompile(`eyJ[\w-]*\.[\w-]*\.[\w-]*`), "TOKEN"},
	{regexp.MustCompile(`"trackId":"demo-[^{}]*,"score":[\d.]+,"reasons":\["you like ambient"[^]]*\]`), "RECOMMENDATION"}, // others from day to day
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "SERVER"},
	{regexp.MustCompile(`\s*\n\s*`), "\n"},
}

// timeless replaces what is different at each run.
func timeless(s string) string {
	for _, c := range changing {
		s = c.pattern.ReplaceAllString(s, c.with)
	}
	return strings.TrimSpace(s)
}
