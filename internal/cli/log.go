package cli

import (
	"io"
	"log/slog"
)

// logTo has the services' warnings and errors written to out.
func logTo(out io.Writer) {
	slog.SetDefault(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn})))
}
