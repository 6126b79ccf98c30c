package main

import (
	"slices"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/bpr"
	"github.com/rhythmiq/rhythmiq/ml/ease"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/neumf"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/rp3beta"
)

// auto is the -model that tries all others.
const auto = "auto"

// models lists what -model may be besides auto, in the order in which auto tries them: the cheap ones first.
func models() []ml.Algorithm {
	return []ml.Algorithm{
		popular.Algorithm{}, als.Algorithm{}, itemknn.Algorithm{}, rp3beta.Algorithm{}, ease.Algorithm{}, bpr.Algorithm{}, neumf.Algorithm{},
	}
}

// modelNames are auto and the others.
func modelNames() []string {
	names := []string{auto}
	for _, a := range models() {
		names = append(names, a.Name())
	}
	return names
}

// modelNamed returns the algorithm of a name, nil for auto.
func modelNamed(name string) ml.Algorithm {
	all := models()
	if i := slices.IndexFunc(all, func(a ml.Algorithm) bool { return a.Name() == name }); i >= 0 {
		return all[i]
	}
	return nil
}
