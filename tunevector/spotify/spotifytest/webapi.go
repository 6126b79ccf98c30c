package spotifytest

import "net/http"

// webState is what the Web API keeps. Server.mu guards it.
type webState struct{}

func newWebState() webState { return webState{} }

// webAPI answers for api.spotify.com.
func (s *Server) webAPI(w http.ResponseWriter, r *http.Request) {
	account, _, problem := s.bearer(r)
	if problem != nil {
		problem.send(w)
		return
	}
	if r.Method != http.MethodGet || r.URL.Path != "/v1/me" {
		(&apiError{http.StatusNotFound, "Service not found"}).send(w)
		return
	}
	me := map[string]any{
		"id": account.ID, "display_name": account.DisplayName, "type": "user", "uri": "spotify:user:" + account.ID,
		"href": "https://api.spotify.com/v1/users/" + account.ID,
	}
	if account.AccountID != "" {
		me["account_id"] = account.AccountID
	}
	answer(w, http.StatusOK, me)
}

// apiError is a failure as the Web API tells it.
type apiError struct {
	status  int
	message string
}

func (e *apiError) send(w http.ResponseWriter) {
	answer(w, e.status, map[string]any{"error": map[string]any{"status": e.status, "message": e.message}})
}
