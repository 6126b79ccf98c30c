package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/ml"
)

// exportTraining writes what models would be trained on as a table for examples/train. The file is there whole or not at all, and is its owner's alone: it says who listens to what, if by numbers.
func exportTraining(ctx context.Context, f flags, kept opened, stdout io.Writer, log *slog.Logger) error {
	music, _, err := openMusic(ctx, f.catalog, log)
	if err != nil {
		return err
	}
	app, err := rhythmiq.New(rhythmiq.Config{Store: kept.store, Music: music, Logger: log})
	if err != nil {
		return err
	}
	d, err := app.Learning.TrainingData(ctx, app.Now())
	if err != nil {
		return err
	}
	left, err := writeTable(ctx, f.table, d)
	if err != nil {
		return err
	}
	if left > 0 {
		log.Warn("left out: a table cannot hold the ids of their tracks", "cells", left)
	}
	_, err = fmt.Fprintf(stdout, "Wrote %s lines of %s listeners and %s tracks from %s to %s.\n",
		grouped(int64(d.Heard.Cells()-left)), grouped(int64(len(d.Listeners))), grouped(int64(len(d.Items))), kept.where, f.table)
	return err
}

// writeTable writes a table by way of another file beside it.
func writeTable(ctx context.Context, name string, d *ml.Data) (left int, err error) {
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return 0, err
	}
	left, err = d.WriteTSV(ctx, file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return left, errors.Join(err, os.Remove(file.Name()))
	}
	return left, nil
}
