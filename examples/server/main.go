// Command server is RhythmIQ on one machine: durable storage in one file, music from a
// catalog, REST on a port.
//
//	go run ./examples/server
//
// It prints its address and a curl line to begin with; -h lists the flags.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones of listeners, also where the machine has none
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
