package distill

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

const (
	algorithmKey = "algorithm"
	factorsName  = "factors"
)

// solved is the algorithm whose models say how a listener's vector is solved for; a student is one of them by another name.
var solved = als.Algorithm{}.Name()

// Model is a student. It holds the items' vectors and nothing of any listener, and needs no teacher.
type Model struct{ inner *als.Model }

var _ ml.Factored = (*Model)(nil)

// Algorithm implements ml.Model.
func (*Model) Algorithm() string { return Algorithm{}.Name() }

// Items implements ml.Model.
func (m *Model) Items() []string { return m.inner.Items() }

// Factors implements ml.Factored.
func (m *Model) Factors() (rows []float32, k int) { return m.inner.Factors() }

// Vector implements ml.Factored.
func (m *Model) Vector(dst []float32, h ml.Heard) { m.inner.Vector(dst, h) }

// Scores implements ml.Model.
func (m *Model) Scores(dst []float32, h ml.Heard) { m.inner.Scores(dst, h) }

// Tensors implements ml.Model: a file of iALS but for the algorithm's name.
func (m *Model) Tensors() *safetensors.File { return named(m.inner.Tensors(), m.Algorithm()) }

func named(f *safetensors.File, algorithm string) *safetensors.File {
	meta := maps.Clone(f.Meta)
	meta[algorithmKey] = algorithm
	return &safetensors.File{Meta: meta, Tensors: f.Tensors}
}

// open opens a file of iALS as a student.
func open(f *safetensors.File) (*Model, error) {
	m, err := als.Algorithm{}.Open(f)
	if err != nil {
		return nil, err
	}
	inner, ok := m.(*als.Model)
	if !ok {
		return nil, fmt.Errorf("distill: a student that is a %T", m)
	}
	return &Model{inner}, nil
}

// Algorithm is ml.Algorithm "distill": it fits a teacher and makes a student of it.
type Algorithm struct {
	Teacher ml.Algorithm // whose models are ml.Factored; nil means iALS
	Values  ml.Values    // the teacher's
}

var _ ml.Distiller = Algorithm{}

// Name implements ml.Algorithm.
func (Algorithm) Name() string { return "distill" }

// Parameters implements ml.Algorithm. Those of the teacher have "teacher-" before their names, and are not searched.
func (a Algorithm) Parameters() []ml.Parameter {
	all := []ml.Parameter{
		{Name: factorsName, Doc: "length of the student's vectors, at most the teacher's", Default: 32, Min: 1, Max: 1024, Whole: true, From: 8, To: 64, Log: true},
	}
	of := a.teacher().Parameters()
	for _, p := range of {
		p.Default, p.From, p.To, p.Log = a.Values.Number(of, p.Name), 0, 0, false
		if p.Choices != nil {
			is := a.Values.Choice(of, p.Name)
			p.Default, p.Choices = 0, append([]string{is}, slices.DeleteFunc(slices.Clone(p.Choices), func(c string) bool { return c == is })...)
		}
		p.Name, p.Doc = teacherName+p.Name, "of the teacher: "+p.Doc
		all = append(all, p)
	}
	return all
}

const teacherName = "teacher-"

func (a Algorithm) teacher() ml.Algorithm {
	if a.Teacher == nil {
		return als.Algorithm{}
	}
	return a.Teacher
}

// Fit implements ml.Algorithm. Progress, checkpoints, and how far the result depends on the number of threads are the teacher's. It starts from no model, and is not watched: there is
// no student before the end.
func (a Algorithm) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	if err := v.Check(a.Parameters()); err != nil {
		return nil, err
	}
	values := ml.Values{}
	maps.Copy(values, a.Values)
	for name, text := range v {
		if name, ok := strings.CutPrefix(name, teacherName); ok {
			values[name] = text
		}
	}
	o.Start, o.Watch = nil, nil
	m, err := a.teacher().Fit(ctx, d, values, o)
	if err != nil {
		return nil, err
	}
	teacher, ok := m.(ml.Factored)
	if !ok {
		return nil, fmt.Errorf("distill: %s cannot teach: its scores are no inner products", a.teacher().Name())
	}
	return a.Student(ctx, teacher, d, int(v.Number(a.Parameters(), factorsName)), o)
}

// Of implements ml.Distiller.
func (Algorithm) Of(teacher ml.Algorithm, v ml.Values, factors int) (ml.Algorithm, ml.Values) {
	values := ml.Values{factorsName: strconv.Itoa(factors)}
	for name, text := range v {
		values[teacherName+name] = text
	}
	return Algorithm{Teacher: teacher}, values
}

// Student implements ml.Distiller, as the function of the same name does.
func (Algorithm) Student(ctx context.Context, teacher ml.Factored, d *ml.Data, factors int, o ml.FitOptions) (ml.Model, error) {
	s, err := Student(ctx, teacher, d, factors, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Open implements ml.Algorithm. It needs no teacher.
func (a Algorithm) Open(f *safetensors.File) (ml.Model, error) {
	if is := f.Meta[algorithmKey]; is != a.Name() {
		return nil, fmt.Errorf("%w: a model of %q, not of %q", safetensors.ErrDamaged, is, a.Name())
	}
	m, err := open(named(f, solved))
	if err != nil {
		return nil, err
	}
	return m, nil
}
