package httpapi

import "net/http"

// table is the one table of routes.
func (h *Handler) table() []route {
	const (
		get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete

		profiles, aProfile       = "/profiles", "/profiles/{profileId}"
		preferences, aPreference = aProfile + "/preferences", aProfile + "/preferences/{preferenceId}"
		vectors, aVector         = aProfile + "/tune-vectors", aProfile + "/tune-vectors/{tuneVectorId}"
		variables, aVariable     = aProfile + "/variables", aProfile + "/variables/{variableId}"
		spotifyLink              = aProfile + "/spotify-link"
		keys, aKey               = aProfile + "/api-keys", aProfile + "/api-keys/{apiKeyId}"
	)
	return []route{
		{method: post, pattern: profiles, name: "CreateProfile", auth: signUp, secret: true, handle: h.createProfile},
		{method: get, pattern: aProfile, name: "GetProfile", handle: h.getProfile},
		{method: put, pattern: aProfile, name: "UpdateProfile", handle: h.updateProfile},
		{method: del, pattern: aProfile, name: "DeleteProfile", handle: h.deleteProfile},
		{method: get, pattern: aProfile + "/export", name: "ExportProfile", handle: h.exportProfile},

		{method: post, pattern: "/sessions", name: "CreateSession", auth: login, secret: true, noStore: true, handle: h.createSession},
		{method: del, pattern: "/sessions/current", name: "EndSession", keyless: true, noStore: true, handle: h.endSession},

		{method: post, pattern: keys, name: "CreateApiKey", keyless: true, secret: true, noStore: true, handle: h.createKey},
		{method: get, pattern: keys, name: "ListApiKeys", keyless: true, noStore: true, handle: h.listKeys},
		{method: del, pattern: aKey, name: "DeleteApiKey", keyless: true, noStore: true, handle: h.deleteKey},

		{method: post, pattern: preferences, name: "CreatePreference", handle: h.createPreference},
		{method: get, pattern: preferences, name: "ListPreferences", handle: h.listPreferences},
		{method: get, pattern: aPreference, name: "GetPreference", handle: h.getPreference},
		{method: patch, pattern: aPreference, name: "UpdatePreference", handle: h.updatePreference},
		{method: del, pattern: aPreference, name: "DeletePreference", handle: h.deletePreference},

		{method: post, pattern: vectors, name: "CreateTuneVector", handle: h.createVector},
		{method: get, pattern: vectors, name: "ListTuneVectors", handle: h.listVectors},
		{method: get, pattern: aVector, name: "GetTuneVector", handle: h.getVector},
		{method: patch, pattern: aVector, name: "UpdateTuneVector", handle: h.updateVector},
		{method: del, pattern: aVector, name: "DeleteTuneVector", handle: h.deleteVector},
		{method: get, pattern: aVector + "/export", name: "ExportTuneVector", handle: h.exportVector},
		{method: post, pattern: aVector + "/spotify-playlist", name: "ExportSpotifyPlaylist", repeatable: true, handle: h.exportPlaylist},

		{method: post, pattern: variables, name: "CreateVariable", handle: h.createVariable},
		{method: get, pattern: variables, name: "ListVariables", handle: h.listVariables},
		{method: get, pattern: aVariable, name: "GetVariable", handle: h.getVariable},
		{method: patch, pattern: aVariable, name: "UpdateVariable", handle: h.updateVariable},
		{method: del, pattern: aVariable, name: "DeleteVariable", handle: h.deleteVariable},
		{method: post, pattern: aVariable + "/readings", name: "RecordReadings", handle: h.recordReadings},
		{method: get, pattern: aVariable + "/readings", name: "ListReadings", handle: h.listReadings},

		{method: post, pattern: aProfile + "/interactions", name: "RecordInteractions", handle: h.recordInteractions},
		{method: get, pattern: aProfile + "/recommendations", name: "ListRecommendations", handle: h.listRecommendations},

		{method: post, pattern: spotifyLink, name: "CreateSpotifyLink", secret: true, noStore: true, handle: h.createLink},
		{method: get, pattern: spotifyLink, name: "GetSpotifyLink", handle: h.getLink},
		{method: del, pattern: spotifyLink, name: "DeleteSpotifyLink", handle: h.deleteLink},
		{method: get, pattern: "/sign-in/spotify", name: "SignInBySpotify", auth: login, noStore: true, acts: true, handle: h.signInBySpotify},
		{method: get, pattern: "/spotify/callback", name: "FinishSpotifyLink", auth: signUp, noStore: true, acts: true, handle: h.finishLink},

		{method: get, pattern: "/healthz", name: "GetHealth", auth: free, handle: h.health},
		{method: get, pattern: "/openapi.json", name: "GetDocument", auth: open, handle: h.document},
	}
}
