// Command situation fits models of what listeners like in which situation to a table of answers, says how good they are without the situation and with it, and foretells other answers.
//
//	go run ./examples/situation -train FILE [-valid FILE] -test FILE -items FILE [-history FILE] -predict OUT.tsv
//
// Its -help says all that there is to it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
