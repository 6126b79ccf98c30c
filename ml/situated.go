package ml

import "math/rand/v2"

// Situated is a Model that was fitted to answers ([Data].Answers) and says how likely a listener likes an item in the situation that they are in. Without a situation it
// is a model of taste like others: its Scores are what it foretells where nothing is known of the moment. Package ml/situation has the algorithms.
type Situated interface {
	Model
	// Aspects are what it reads in a moment. What else is in one is not looked at. They are the model's.
	Aspects() []Aspect
	// Row returns the listener of a row of the data that the model was fitted on, −1 or any row beyond for one of whom nothing is known.
	Row(listener int) Person
	// Person returns a listener of whom these answers are known (items by the model's columns; [Answer].Listener is not looked at): what is their own is fitted in closed form, and stored nowhere.
	Person(own []Answer) Person
}

// Person is what a Situated knows of one listener. It is immutable and safe for concurrent use.
type Person interface {
	// At returns a judge for one moment. Values that the model has never seen count as unknown.
	At(m Moment) Judge
	// Draw returns the listener as they might be, as far as the model can tell: what is their own is drawn from its posterior. Judging by one such draw is Thompson sampling.
	Draw(r *rand.Rand) Person
}

// Judge judges items for one listener in one moment. It is for one goroutine.
type Judge interface {
	// Of judges an item by its column, and OfNew one that the model does not know, by what is known of it.
	Of(column int32) Judgment
	OfNew(item Item) Judgment
	// Spread is how unsure the model is of what Of says: the standard deviation of the log odds of its Probability. It costs more than Of.
	Spread(column int32) float64
	// SpreadOfNew is likewise of what OfNew says.
	SpreadOfNew(item Item) float64
	// Reasons says in words, at most n times and the strongest first, what in the situation speaks for the item: "calmer than your usual at this hour: heart rate variability is
	// low". It is empty where nothing does.
	Reasons(column int32, n int) []string
	// ReasonsForNew is Reasons for an item that the model does not know.
	ReasonsForNew(item Item, n int) []string
}

// Judgment is what is foretold of one listener, item and moment.
type Judgment struct {
	// Probability is how likely the listener likes the item now, calibrated, 0–1 without the ends. For ratings it is the expected one on that scale.
	Probability float64
	// Without is the same where nothing is known of the moment.
	Without float64
}
