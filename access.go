package rhythmiq

import (
	"log/slog"
	"time"
)

// Logger returns the Config's Logger, or one that logs nothing.
func (a *App) Logger() *slog.Logger { return a.log }

// Observer returns the Config's Observer, or one that observes nothing.
func (a *App) Observer() Observer { return a.observer }

// Now returns the time on the Config's clock.
func (a *App) Now() time.Time { return a.now() }
