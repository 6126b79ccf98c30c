package tunevector

// Joined is of how many listeners the answers are at hand, joined with their surroundings.
func (s *Service) Joined() int { return s.owns.Len() }
