// Package blobs keeps models and checkpoints: [Folder] in files, for one machine or several that share a disk, and [Memory] as long as the process
// lasts. What lives elsewhere is a package of its own; mltest.RunBlobs proves that one keeps the contract of ml.Blobs.
//
//	kept, err := blobs.Folder("/var/lib/music/models")
package blobs

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/rhythmiq/rhythmiq/ml"
)

// errOver is the error of a writer that was committed or closed.
var errOver = errors.New("blobs: the writer is closed")

func check(ctx context.Context, name string) error {
	if err := ml.CheckBlobName(name); err != nil {
		return err
	}
	return ctx.Err()
}

func sorted(all []ml.BlobInfo) []ml.BlobInfo {
	slices.SortFunc(all, func(a, b ml.BlobInfo) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
