// Command train fits a model of taste to a table of who heard what, says how good it is, and writes what it recommends, without a server.
//
//	go run ./examples/train -train FILE -model auto -budget 60s -recommend OUT.tsv -report DIR
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
