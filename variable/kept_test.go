package variable

// Patterns is how many patterns of places are at hand.
func (s *Service) Patterns() int { return s.patterns.Len() }
