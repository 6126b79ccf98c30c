package httpapi

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

var (
	aim   = fields(map[string]*shape{"energy": aNumber, "valence": aNumber, "tempo": aNumber, "acousticness": aNumber, "instrumentalness": aNumber})
	point = fields(map[string]*shape{
		"at": aNumber, "energy": aNumber, "valence": aNumber, "tempo": aNumber, "acousticness": aNumber, "instrumentalness": aNumber,
	})
	pin        = &shape{kind: object, fields: map[string]*shape{"position": anInteger, "trackId": aText}, needed: []string{"position"}}
	definition = fields(map[string]*shape{
		"name": aText, "kind": aWord, "mode": aWord, "durationMinutes": aCount, "direction": aWord,
		"start": aim, "end": aim, "curve": aWord, "points": listOf(point),
		"stages": listOf(fields(map[string]*shape{"genre": aText, "minutes": anInteger})),
		"order":  aWord, "seed": anInteger, "excludeExplicit": aBoolean,
		"pinned":   listOf(pin),
		"excluded": listOf(aText),
	})
	definitionPatch = removable(definition, "name", "mode")
)

// removable is the shape of a merge patch on an object: null takes any field away but the required ones. Objects in it are
// merged likewise; lists are replaced whole, and so hold no null.
func removable(s *shape, needed ...string) *shape {
	patch := &shape{kind: object, fields: map[string]*shape{}}
	for name, f := range s.fields {
		if f.kind == object {
			f = removable(f)
		}
		patch.fields[name] = orNull(f)
	}
	for _, name := range needed {
		patch.fields[name] = s.fields[name]
	}
	return patch
}

type vectorDone struct {
	Message string    `json:"message"`
	ID      uuid.UUID `json:"tuneVectorId"`
}

func (h *Handler) createVector(c *call) (reply, error) {
	given, wrong, err := c.object(definition)
	if err != nil {
		return reply{}, err
	}
	var d tunevector.Definition
	err = remarshal(given, &d)
	switch {
	case len(wrong) == 0 && err != nil:
		return reply{}, unreadable(err)
	case len(wrong) > 0:
		if err == nil {
			wrong.Join(rulesOfRest(d, wrong))
		}
		return reply{}, wrong.Err()
	}
	v, err := h.app.TuneVectors.Create(c.ctx, c.profileID, d)
	if err != nil {
		return reply{}, err
	}
	return reply{
		status: http.StatusCreated, location: c.childPath("tune-vectors", v.ID), version: v.Version,
		value: vectorDone{"Tune vector created successfully", v.ID},
	}, nil
}

func (h *Handler) getVector(c *call) (reply, error) {
	v, err := h.app.TuneVectors.Get(c.ctx, c.profileID, c.childID)
	return reply{value: v, version: v.Version}, err
}

// rulesOfRest is what the rules say of a definition from which what is wrong was taken away, or left as it was before the patch. What
// only seems wrong because of that stays unsaid: a duration that is not the sum of the stages, energies that do not go where the direction does.
func rulesOfRest(d tunevector.Definition, wrong fault.Fields) error {
	touched := map[string]bool{}
	for field := range wrong {
		touched[root(field)] = true
	}
	if touched["mode"] {
		d.Mode = ""
	}
	if touched["stages"] && d.Mode == tunevector.Guided && d.DurationMinutes > 0 && d.DurationMinutes <= maxMinutes {
		d.DurationMinutes = 0
	}
	if touched["start"] || touched["end"] || touched["points"] {
		d.Direction = directionAlone(d.Direction)
	}
	return d.Validate()
}

const maxMinutes = 1440

// directionAlone is no direction in the place of any that there is.
func directionAlone(d tunevector.Direction) tunevector.Direction {
	switch d {
	case tunevector.Ascent, tunevector.Descent, tunevector.Steady, tunevector.Custom:
		return ""
	default:
		return d
	}
}

// updateVector merges the patch into the definition as it was given, so that what the service filled in stays its to fill in.
func (h *Handler) updateVector(c *call) (reply, error) {
	patch, wrong, err := c.object(definitionPatch)
	if err != nil {
		return reply{}, err
	}
	var v tunevector.TuneVector
	err = c.change(h.vectorVersion(c), func(ifMatch store.Version) error {
		v, err = h.app.TuneVectors.Update(c.ctx, c.profileID, c.childID, func(d *tunevector.Definition) error {
			err := mergeDefinition(d, patch)
			if err == nil && len(wrong) > 0 {
				wrong.Join(rulesOfRest(*d, wrong))
			}
			return cmp.Or(wrong.Err(), err)
		}, ifMatch)
		return err
	})
	if kind := fault.KindOf(err); kind == fault.Stale || kind == fault.NotFound {
		// What is wrong with the patch comes before what it would have been merged into.
		wrong.Join(patchRules(patch))
		err = cmp.Or(wrong.Err(), err)
	}
	return reply{version: v.Version, value: vectorDone{"Tune vector updated successfully", c.childID}}, err
}

// patchRules says what is wrong with a patch as far as it alone can tell.
func patchRules(patch map[string]any) error {
	var d tunevector.Definition
	if err := mergeDefinition(&d, patch); err != nil {
		return err
	}
	if d.Mode == tunevector.Guided || d.Mode == tunevector.AI {
		d.Mode = ""
	}
	d.Direction = directionAlone(d.Direction)
	e, ok := fault.As(d.Validate())
	if !ok {
		return nil
	}
	var f fault.Fields
	for field, text := range e.Fields {
		if patch[root(field)] != nil && (field != "mode" || d.Mode != "") {
			f.Add(field, "%s", text)
		}
	}
	return f.Err()
}

// root is the field of the body itself in a path such as "stages[1].minutes".
func root(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}

func mergeDefinition(d *tunevector.Definition, patch map[string]any) error {
	var before any
	if err := remarshal(d, &before); err != nil {
		return err
	}
	var after tunevector.Definition
	if err := remarshal(merge(before, patch), &after); err != nil {
		return fault.Wrap(err, fault.Invalid, "The patch does not make a tune vector")
	}
	*d = after
	return nil
}

func (h *Handler) vectorVersion(c *call) func() (store.Version, error) {
	return func() (store.Version, error) { return h.app.TuneVectors.Version(c.ctx, c.profileID, c.childID) }
}

func (h *Handler) deleteVector(c *call) (reply, error) {
	err := c.change(h.vectorVersion(c), func(ifMatch store.Version) error {
		return h.app.TuneVectors.Delete(c.ctx, c.profileID, c.childID, ifMatch)
	})
	return reply{value: vectorDone{"Tune vector deleted successfully", c.childID}}, err
}

func (h *Handler) listVectors(c *call) (reply, error) {
	q := c.query()
	limit, token := q.page()
	page, next, err := h.app.TuneVectors.List(c.ctx, c.profileID, limit, token)
	return reply{hashed: true, value: struct {
		Vectors []tunevector.TuneVector `json:"tuneVectors"`
		Next    string                  `json:"nextPageToken,omitempty"`
	}{notNil(page), next}}, q.listed(err)
}

func (h *Handler) exportVector(c *call) (reply, error) {
	q := c.query()
	format, given := q.one("format")
	if !given {
		format = string(tunevector.XSPF)
	}
	switch f := tunevector.Format(format); f {
	case tunevector.XSPF, tunevector.JSPF, tunevector.M3U8:
	default:
		q.wrong.Add("format", "Format must be xspf, jspf or m3u8")
	}
	if err := q.wrong.Err(); err != nil {
		return reply{}, err
	}
	body, mediaType, err := h.app.TuneVectors.Export(c.ctx, c.profileID, c.childID, tunevector.Format(format))
	return reply{raw: body, mediaType: mediaType, hashed: true}, err
}
