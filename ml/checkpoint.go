package ml

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// FitKeyName is the entry of a checkpoint's map that says of which fit it is.
const FitKeyName = "fit"

// FitKey identifies a fit, for checkpoints: by algorithm, data, values, seed, and the model that it starts from. Data are read once for it.
func FitKey(a Algorithm, d *Data, v Values, o FitOptions) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %s %d", a.Name(), d.Fingerprint(), o.Seed)
	for _, name := range slices.Sorted(maps.Keys(v)) {
		fmt.Fprintf(h, " %q=%q", name, v[name])
	}
	if o.Start != nil {
		_ = safetensors.Write(h, o.Start.Tensors()) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// LastCheckpoint returns the last checkpoint of the fit with this key, nil for none.
func (o FitOptions) LastCheckpoint(ctx context.Context, key string) (*safetensors.File, error) {
	if o.Checkpoints == nil {
		return nil, nil //nolint:nilnil // none is no error
	}
	f, err := o.Checkpoints.Last(ctx)
	if err != nil {
		return nil, fmt.Errorf("ml: checkpoint: %w", err)
	}
	if f == nil || f.Meta[FitKeyName] != key {
		return nil, nil //nolint:nilnil // none is no error
	}
	return f, nil
}
