package planner

// cost of a sequence as the search sees it (the arc from its grid), and whether it keeps the hard constraints. It stops
// once the cost is above limit. tracks counts the tracks that were looked at.
func (in *instance) cost(seq []int32, limit float64) (cost float64, ok bool) {
	return in.costFrom(seq, 0, cursor{time: in.elapsed, longest: in.prefixLongest}, limit)
}

// cursor is where a plan stands before a track.
type cursor struct {
	time, cost, longest float64
}

func (in *instance) costFrom(seq []int32, from int, c cursor, limit float64) (cost float64, ok bool) {
	for i := from; i < len(seq); i++ {
		if c.time >= in.duration || !in.fits(seq, i, c.time) {
			return 0, false
		}
		c = in.advance(seq, i, c)
		if c.cost > limit {
			return 0, false
		}
	}
	if !in.mayEnd(c.time, c.longest) || len(seq) <= in.lastPin {
		return 0, false
	}
	cost = c.cost + in.lengthCost(c.time)
	return cost, cost <= limit
}

func (in *instance) advance(seq []int32, i int, c cursor) cursor {
	k, before := seq[i], none
	if i > 0 {
		before = seq[i-1]
	}
	c.cost += in.own(k, c.time) + in.jump(before, k)
	c.time += in.seconds[k]
	c.longest = max(c.longest, in.seconds[k])
	return c
}

// fits reports whether the track at i may start at t there: by its stage, and by what stands before it.
func (in *instance) fits(seq []int32, i int, t float64) bool {
	return in.suits(seq[i], t) && in.spaced(seq, i)
}

func (in *instance) spaced(seq []int32, i int) bool {
	k := int(seq[i])
	row := in.conflicts(int32(k))
	for back := 1; back < in.gap; back++ {
		if j := i - back; j >= 0 {
			if has(row, int(seq[j])) {
				return false
			}
		} else if played := in.afterPrefix[-j-1]; played != nil && has(played, k) {
			return false
		}
	}
	return true
}

// place computes a plan exactly: starts, targets, what each track costs and why.
func (in *instance) place(seq []int32) Solution {
	s := Solution{ArtistGap: in.gap, Considered: len(in.ids), Tracks: make([]Placed, 0, len(in.prefix)+len(seq))}
	t := 0.0
	for i := range in.prefix {
		c := &in.prefix[i]
		placed := in.placed(candidatePoint(c), c.ID, t, c.Duration)
		placed.Played = true
		if i > 0 {
			before := &in.prefix[i-1]
			placed.Jump = Distance(candidatePoint(before).features(), candidatePoint(c).features())
		}
		s.Tracks = append(s.Tracks, placed)
		t += c.Duration
	}
	for i, k := range seq {
		placed := in.placed(in.points[k], in.ids[k], t, in.seconds[k])
		placed.Pinned = !has(in.free, int(k))
		before := none
		if i > 0 {
			before = seq[i-1]
		}
		if n := len(s.Tracks); n > 0 {
			last := candidateAt(in, i, seq)
			placed.Jump = Distance(last.features(), in.points[k].features())
		}
		target := in.arc.at((t + in.seconds[k]/2) / in.duration)
		placed.Terms = Terms{
			Target:     in.scale[k].of(&in.points[k], &target) + in.fixed[k] - in.taste[k] - in.novelty[k],
			Transition: in.jumpExact(before, k),
			Taste:      in.taste[k],
			Novelty:    in.novelty[k],
		}
		s.Terms = s.Terms.plus(placed.Terms)
		s.Tracks = append(s.Tracks, placed)
		t += in.seconds[k]
	}
	s.Duration = t
	s.Terms.Length = in.lengthCost(t)
	s.Cost = s.Terms.Sum()
	return s
}

// candidateAt is where the track before position i of the sequence is; there must be one.
func candidateAt(in *instance, i int, seq []int32) point {
	if i > 0 {
		return in.points[seq[i-1]]
	}
	return candidatePoint(&in.prefix[len(in.prefix)-1])
}

func (in *instance) placed(at point, id string, t, seconds float64) Placed {
	target := in.arc.at((t + seconds/2) / in.duration)
	p := Placed{ID: id, Start: t, Duration: seconds, Target: target.features(), Stage: -1}
	if in.guided {
		p.Stage = StageAt(in.stages, t, seconds)
	}
	p.Distance = Distance(at.features(), p.Target)
	return p
}

func (t Terms) plus(o Terms) Terms {
	return Terms{t.Target + o.Target, t.Transition + o.Transition, t.Taste + o.Taste, t.Novelty + o.Novelty, t.Length + o.Length}
}

// exactCost is the published cost of a sequence.
func (in *instance) exactCost(seq []int32) float64 {
	t, cost, before := in.elapsed, 0.0, none
	for _, k := range seq {
		target := in.arc.at((t + in.seconds[k]/2) / in.duration)
		cost += in.scale[k].of(&in.points[k], &target) + in.fixed[k] + in.jumpExact(before, k)
		t += in.seconds[k]
		before = k
	}
	return cost + in.lengthCost(t)
}
