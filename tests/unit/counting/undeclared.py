"""Paragraphs in many languages, to be sent in legacy encodings by pages that don't say which."""

PARAGRAPHS = {
    "french": (
        "L’été dernier, nous sommes allés à la mer avec les élèves de l’école. Le château était fermé, mais la "
        "forêt voisine nous a beaucoup plu. Après le dîner, ma sœur a raconté une histoire très drôle à propos "
        "d’un garçon qui avait perdu sa clé. Où sont passées les années de notre jeunesse ? Peut-être "
        "reviendrons-nous dès la fête de Noël."
    ),
    "german": (
        "Über den Dächern der Stadt hängen graue Wolken, und die Straßen glänzen vom Regen. Die Bäckerei öffnet "
        "früh und verkauft süße Brötchen mit Äpfeln und Nüssen. Später müssen wir für die Prüfung üben, obwohl "
        "es draußen schöner wäre. Der Fußgänger grüßt höflich und läuft über die Brücke zum großen Bahnhof."
    ),
    "spanish": (
        "El niño pequeño soñaba con una montaña lejana. Mañana irá la señora al médico, según dijo el año "
        "pasado. ¿Cuándo llegará el camión con los muebles de la habitación? ¡Qué difícil es la canción que "
        "aprendió María! También había árboles en el jardín y un león de piedra en la entrada."
    ),
    "portuguese": (
        "A estação estava cheia de gente que não conhecia a região. As crianças comeram pão e maçãs, e à tarde "
        "os irmãos fizeram uma excursão às ilhas. O avô contou histórias sobre a construção da ponte, há três "
        "décadas. Você também não sabia que a televisão é só uma ilusão?"
    ),
    "swedish": (
        "På kvällen åkte vi över ön för att hälsa på farmor. Hon hade bakat äppelkaka och ställt fram små röda "
        "koppar. Det är vår nu, och fåglarna sjunger högt i träden. Någon måste också mata hästarna när vi är "
        "borta."
    ),
    "polish": (
        "Wczoraj wieczorem poszliśmy na długi spacer wzdłuż rzeki. Żółte liście spadały z drzew, a dzieci śmiały "
        "się głośno. Później zjedliśmy pączki i wypiliśmy gorącą herbatę. Mój dziadek często mówi, że źródło "
        "szczęścia leży w prostych rzeczach: w ciszy, książce i przyjaźni. Jeszcze dziś zadzwonię do ciebie."
    ),
    "czech": (
        "Včera večer jsme šli na dlouhou procházku podél řeky. Žluté listí padalo ze stromů a děti se hlasitě "
        "smály. Můj dědeček často říká, že štěstí je v jednoduchých věcech. Příští týden přijede náš přítel z "
        "Brna a přiveze čerstvé koláče. Kůň stál u dveří a čekal, až ho někdo nakrmí."
    ),
    "hungarian": (
        "Tegnap este hosszú sétát tettünk a folyó mentén. A sárga levelek lehullottak a fákról, és a gyerekek "
        "hangosan nevettek. Később fánkot ettünk, és forró teát ittunk. Nagyapám gyakran mondja, hogy az öröm "
        "forrása az egyszerű dolgokban rejlik. Jövő héten érkezik a barátunk, és friss süteményt hoz. Őszintén "
        "köszönöm a segítségét."
    ),
    "turkish": (
        "Dün akşam nehir boyunca uzun bir yürüyüş yaptık. Ağaçlardan sarı yapraklar düşüyor, çocuklar yüksek "
        "sesle gülüyordu. Dedem sık sık mutluluğun basit şeylerde olduğunu söyler. Gelecek hafta arkadaşımız "
        "İstanbul’dan gelecek ve taze ekmek getirecek. Kışın dağlarda kar yağıyor, ama şehirde yağmur var. Çok "
        "teşekkür ederiz."
    ),
    "russian": (
        "Вчера вечером мы долго гуляли вдоль реки. Жёлтые листья падали с деревьев, а дети громко смеялись. "
        "Потом мы ели пирожки и пили горячий чай. Мой дедушка часто говорит, что счастье скрыто в простых вещах: "
        "в тишине, в книге и в дружбе. На следующей неделе приедет наш друг из Москвы и привезёт свежий хлеб."
    ),
    "ukrainian": (
        "Учора ввечері ми довго гуляли вздовж річки. Жовте листя падало з дерев, а діти голосно сміялися. Потім "
        "ми їли пиріжки й пили гарячий чай. Мій дідусь часто каже, що щастя ховається у простих речах. "
        "Наступного тижня приїде наш друг із Києва й привезе свіжий хліб."
    ),
    "bulgarian": (
        "Снощи дълго се разхождахме край реката. Жълти листа падаха от дърветата, а децата се смееха силно. "
        "После ядохме банички и пихме горещ чай. Дядо ми често казва, че щастието е в простите неща. Следващата "
        "седмица ще дойде нашият приятел от София и ще донесе пресен хляб."
    ),
    "greek": (
        "Χθες το βράδυ κάναμε έναν μεγάλο περίπατο δίπλα στο ποτάμι. Τα κίτρινα φύλλα έπεφταν από τα δέντρα και "
        "τα παιδιά γελούσαν δυνατά. Ο παππούς μου λέει συχνά ότι η ευτυχία βρίσκεται στα απλά πράγματα. Την "
        "επόμενη εβδομάδα θα έρθει ο φίλος μας από την Αθήνα και θα φέρει φρέσκο ψωμί."
    ),
    "hebrew": (
        "אתמול בערב יצאנו לטיול ארוך לאורך הנהר. עלים צהובים נפלו מן העצים והילדים צחקו בקול רם. אחר כך אכלנו "
        "עוגות ושתינו תה חם. סבא שלי אומר לעתים קרובות שהאושר נמצא בדברים הפשוטים. בשבוע הבא יגיע החבר שלנו "
        "מירושלים ויביא לחם טרי."
    ),
    "arabic": (
        "مساء أمس قمنا بنزهة طويلة على ضفة النهر. كانت الأوراق الصفراء تتساقط من الأشجار وكان الأطفال يضحكون "
        "بصوت عال. ثم أكلنا الكعك وشربنا الشاي الساخن. يقول جدي كثيرا إن السعادة تكمن في الأشياء البسيطة. في "
        "الأسبوع القادم سيأتي صديقنا من القاهرة ومعه خبز طازج."
    ),
    "thai": (
        "เมื่อวานตอนเย็นเราไปเดินเล่นริมแม่น้ำเป็นเวลานาน ใบไม้สีเหลืองร่วงจากต้นไม้ และเด็กๆ หัวเราะเสียงดัง "
        "หลังจากนั้นเรากินขนมและดื่มชาร้อน คุณปู่มักพูดว่าความสุขอยู่ในสิ่งเรียบง่าย "
        "สัปดาห์หน้าเพื่อนของเราจะมาจากกรุงเทพ"
    ),
    "japanese": (
        "昨日の夕方、私たちは川に沿って長い散歩をしました。黄色い葉が木から落ち、子供たちは大きな声で笑っていまし"
        "た。そのあと、みんなでケーキを食べて、温かいお茶を飲みました。祖父はよく、幸せは簡単なものの中にあると言"
        "います。来週は東京から友だちが来て、新しいパンを持ってきてくれます。インターネットで調べたホテルは駅の近"
        "くにあります。"
    ),
    "simplified": (
        "昨天傍晚，我们沿着河边散步了很久。黄色的叶子从树上落下来，孩子们大声地笑着。后来我们吃了蛋糕，喝了热茶。"
        "爷爷常说，幸福就在简单的事情里：安静的时间、一本书，还有朋友。下个星期，我们的朋友要从北京来，还会带来新"
        "鲜的面包。这家公司的网站提供许多关于历史和经济的资料。"
    ),
    "traditional": (
        "昨天傍晚，我們沿著河邊散步了很久。黃色的葉子從樹上落下來，孩子們大聲地笑著。後來我們吃了蛋糕，喝了熱茶。"
        "爺爺常說，幸福就在簡單的事情裡：安靜的時間、一本書，還有朋友。下個星期，我們的朋友要從臺北來，還會帶來新"
        "鮮的麵包。這家公司的網站提供許多關於歷史和經濟的資料。"
    ),
    "korean": (
        "어제 저녁에 우리는 강을 따라 오랫동안 산책했습니다. 노란 잎이 나무에서 떨어지고 아이들은 큰 소리로 "
        "웃었습니다. 그 뒤에 우리는 과자를 먹고 따뜻한 차를 마셨습니다. 할아버지는 행복이 단순한 것 속에 있다고 "
        "자주 말씀하십니다. 다음 주에는 친구가 서울에서 신선한 빵을 가지고 올 것입니다."
    ),
}

SENT_AS = (  # language, encoding by its name in the Encoding Standard, Python's codec
    *((language, "windows-1252", "cp1252") for language in ("french", "german", "spanish", "portuguese", "swedish")),
    *((language, "windows-1250", "cp1250") for language in ("polish", "czech", "hungarian")),
    *((language, "iso-8859-2", "iso8859-2") for language in ("polish", "czech", "hungarian")),
    *((language, "windows-1251", "cp1251") for language in ("russian", "ukrainian", "bulgarian")),
    ("russian", "koi8-r", "koi8-r"),
    ("ukrainian", "koi8-u", "koi8-u"),
    ("turkish", "windows-1254", "cp1254"),
    ("greek", "windows-1253", "cp1253"),
    ("hebrew", "windows-1255", "cp1255"),
    ("arabic", "windows-1256", "cp1256"),
    ("thai", "windows-874", "cp874"),
    ("japanese", "shift_jis", "cp932"),
    ("japanese", "euc-jp", "euc_jp"),
    ("simplified", "gbk", "gb18030"),
    ("traditional", "big5", "cp950"),
    ("korean", "euc-kr", "cp949"),
)


def page(language: str, codec: str, size: int) -> tuple[bytes, str]:
    """An HTML page of about so many bytes that says nothing of its encoding, and its text."""
    said = PARAGRAPHS[language].encode(codec, "ignore").decode(codec)
    bytes_each = len(said.encode(codec))
    whole, rest = divmod(size, bytes_each)
    texts = [said] * whole + [said[: len(said) * rest // bytes_each]]
    paragraphs = "".join(f"<p class=x>{text}</p>\n" for text in texts)
    html = f"<!doctype html><html><head><title>x</title></head><body><div>\n{paragraphs}</div></body></html>"
    return html.encode(codec), html
