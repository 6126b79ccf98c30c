package catalog

import (
	"strings"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// Names are put together from stems that are no words and no names, so that no real artist's comes out.
var (
	heads = []string{"Bro", "Cal", "Dre", "Eld", "Fen", "Gri", "Hol", "Ive", "Jor", "Kel", "Lor", "Mar", "Nev", "Ost", "Per", "Quil", "Ros", "Sel", "Tam", "Ulv", "Ver", "Wyn", "Yar", "Zel"}
	tails = []string{"avane", "browick", "cassel", "drovan", "emmeth", "farrow", "gavick", "hollin", "ivarre", "kestrin", "lanthe", "mirrow", "nessick", "orvane", "quillan", "rivenne", "sathmoor", "tarrin", "umbrel", "vessick", "wendrel", "yarrick"}
	given = []string{"Adda", "Benno", "Cosima", "Dario", "Elske", "Fenna", "Gideon", "Hanne", "Ilvy", "Joris", "Katla", "Linus", "Maren", "Nilo", "Odile", "Pia", "Rufus", "Sanna", "Tove", "Ursin", "Vida", "Wanda", "Yara", "Zeno"}
	bands = []string{"Lanterns", "Assembly", "Harbor", "Quartet", "Society", "Orchard", "Machines", "Parade", "Cartographers", "Union", "Weather", "Tides"}
)

// name invents an artist, or for talk and soundscapes a house that makes them, that was not invented before.
func (d *demo) name(kind tunevector.Kind) string {
	for {
		stem := d.dice.pick(heads) + d.dice.pick(tails)
		var name string
		switch {
		case kind == talk:
			name = stem + " Radio"
		case kind == sound:
			name = stem + " Field Recordings"
		case d.dice.percent(55):
			name = d.dice.pick(given) + " " + stem
		case d.dice.percent(60):
			name = "The " + stem + " " + d.dice.pick(bands)
		default:
			name = stem
		}
		if !d.used[name] {
			d.used[name] = true
			return name
		}
	}
}

// theme is what titles are made of: things, what they are like, and where or when they are.
type theme struct{ like, things, where []string }

func list(words string) []string { return strings.Split(words, ",") }

// title invents a title that the artist does not have yet.
func (d *demo) title(p *profile, a *artist) string {
	w := &p.words
	for {
		like, thing, where := d.dice.pick(w.like), d.dice.pick(w.things), d.dice.pick(w.where)
		var title string
		switch d.dice.below(6) {
		case 0:
			title = thing + " " + where
		case 1:
			title = "The " + like + " " + thing
		case 2:
			title = like + " " + thing + " " + where
		case 3:
			title = thing + " and " + d.dice.pick(w.things)
		default:
			title = like + " " + thing
		}
		if key := a.name + "\x00" + title; !d.used[key] {
			d.used[key] = true
			return title
		}
	}
}

// The themes.
var (
	pastoral  = theme{list("Quiet,Long,Golden,Dusty,Willow,Morning,Gentle,Old,Winding,Hollow"), list("Fields,Road,Orchard,River,Meadow,Fence,Hillside,Barn,Harvest,Swallow,Kettle,Letter"), list("in September,by the Gate,After the Frost,Beyond the Mill,at First Light,for Marta")}
	festive   = theme{list("Bright,Hot,Spinning,Sunlit,Copper,Easy,Laughing,Loud,Sweet,Tangerine"), list("Plaza,Carnival,Drums,Market,Fiesta,Sidewalk,Brass,Feathers,Mango,Parade,Balcony,Streetcar"), list("at Midday,Until Morning,on the Corner,Down by the Docks,All Week,in Full Color")}
	restless  = theme{list("Broken,Electric,Burning,Crooked,Iron,Sleepless,Reckless,Static,Rusted,Wild"), list("Engines,Signals,Teeth,Highway,Ashes,Mirrors,Alarm,Concrete,Thunder,Fuse,Wires,Horses"), list("at the Border,Under Glass,on Channel Nine,Against the Wall,Out of Town,Before the Crash")}
	celestial = theme{list("Distant,Slow,Weightless,Silver,Endless,Pale,Drifting,Lunar,Faint,Glass"), list("Orbit,Horizon,Tide,Aurora,Satellites,Echo,Drift,Mist,Constellations,Lagoon,Snowfall,Halo"), list("Above the Clouds,at Zero Hour,Without Names,in Slow Motion,of the North,Past Saturn")}
	formal    = theme{list("First,Second,Solemn,Winter,Little,Minor,Evening,Lost,Northern,Last"), list("Nocturne,Prelude,Sonata,Elegy,Suite,Fugue,Intermezzo,Serenade,Overture,Variations,Aria,Pavane"), list("in D Minor,in G Major,for an Empty Hall,in E Flat,Opus 12,for Two Hands")}
	weary     = theme{list("Blue,Late,Smoky,Crooked,Tired,Low,Rainy,Borrowed,Half-Empty,Midnight"), list("Corner,Whiskey,Suitcase,Train,Lamplight,Avenue,Shoes,Saxophone,Window,Diner,Sparrow,Dollar"), list("After Closing,on Ninth Street,at Platform Two,Again,Since Tuesday,in the Rain")}
	tender    = theme{list("Soft,Paper,Velvet,Warm,Small,Patient,Faded,Honey,Hushed,Sleepy"), list("Hands,Letters,Rooms,Lullaby,Tea,Sweaters,Petals,Photographs,Pillow,Whisper,Candle,Sundays"), list("for Two,in the Kitchen,Before You Wake,by the Window,Left Behind,Until Spring")}
	nightlife = theme{list("Neon,Parallel,Chrome,Infinite,Magnetic,Ultraviolet,Liquid,Hidden,Deep,Synthetic"), list("Pulse,Circuit,Motion,Voltage,Skyline,Mirage,Frequency,Gravity,Engine,Vapor,Prism,Cascade"), list("at 3 a.m.,in Stereo,Below Zero,After Dark,on Level Five,in Reverse")}
	urban     = theme{list("Gold,Second,Late,Lucky,Cold,Real,Fast,Corner,Uptown,Double"), list("Money,Rooftop,Ride,Sneakers,Mirror,Summer,Block,Phone,Taxi,Heartbeat,Polaroid,Crown"), list("on Repeat,Tonight,in the Back Seat,No Sleep,off the Record,All Mine")}
	chatter   = theme{list("Unlikely,Terrible,Honest,Overdue,Loud,Extra,Awkward,Final"), list("Excuses,Neighbors,Referees,Breakfasts,Road Trips,Rivals,Substitutes,Warm-ups,Comebacks,Haircuts"), list("with Guests,Part One,Part Two,Live,from the Garage,Revisited")}
	chronicle = theme{list("Forgotten,Quiet,Long,Unwritten,Stolen,Hidden,Patient,Winter"), list("Lighthouse,Map,Voyage,Cellar,Ferryman,Bridge,Archive,Village,Letters,Breath,Island,Clockmaker"), list("Part One,Part Two,Part Three,an Epilogue,Retold,by Candlelight")}
	inquiry   = theme{list("Curious,Invisible,Open,Tiny,Noisy,Stubborn,Unfinished,Better"), list("Batteries,Microbes,Protocols,Glaciers,Sensors,Neurons,Compilers,Telescopes,Bridges,Soil,Signals,Robots"), list("Explained,from Scratch,in Practice,Part One,Part Two,Reconsidered")}
	woodland  = theme{list("Early,Misty,Mossy,Green,Bright,Distant,Spring,Alder"), list("Thrushes,Canopy,Clearing,Creek,Wrens,Undergrowth,Dawn Chorus,Pines,Marsh,Glade"), list("in May,Before Sunrise,near the Brook,with a Light Wind,After Rain,at Dusk")}
	streets   = theme{list("Busy,Late,Distant,Wet,Morning,Underground,Sunday,Crowded"), list("Café,Station,Tramline,Market,Courtyard,Crossing,Library,Harbor,Arcade,Square"), list("from a Balcony,at Rush Hour,in Winter,Through a Window,After Midnight,with Bells")}
	hearth    = theme{list("Low,Steady,Warm,Cedar,Slow,Deep,Bronze,Evening"), list("Embers,Hearth,Stove,Bowls,Glow,Resonance,Campfire,Circle,Logs,Stillness"), list("in a Small Room,for Breathing,for Sleep,in the Cabin,with Wind Outside,Long Version")}
	static    = theme{list("White,Pink,Brown,Soft,Deep,Grey,Dark,Smooth"), list("Noise,Static,Fan,Hum,Airflow,Cabin,Turbine,Hiss,Drone,Ventilation"), list("for Focus,for Sleep,Wide,Narrow,Long Version,Without Highs")}
	shore     = theme{list("Calm,Rolling,Northern,Evening,Pebble,Sandy,High,Gentle"), list("Waves,Surf,Tide,Cove,Breakers,Lagoon,Shoreline,Harbor,Swell,Reef"), list("at Night,with Gulls,in Low Wind,from the Dunes,Under the Pier,at High Water")}
	weather   = theme{list("Steady,Heavy,Light,Distant,Rolling,Summer,Autumn,Slow"), list("Rain,Downpour,Drizzle,Thunder,Rooftop,Gusts,Showers,Front,Squall,Gutters"), list("on a Tin Roof,on Leaves,over the Valley,on a Tent,Through the Night,on the Lake")}
)
