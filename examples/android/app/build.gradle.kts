import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

val exported = rootProject.file("exported") // what `tfprune export … --android` has written; see README.md

android {
    namespace = "com.example.tfprune"
    compileSdk = 36

    defaultConfig {
        applicationId = "com.example.tfprune"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    // So that the model is mapped into memory, not unpacked.
    androidResources { noCompress += "tflite" }

    sourceSets {
        getByName("main") {
            assets.srcDir(exported.resolve("assets"))
            kotlin.srcDir(exported)
        }
    }
}

kotlin {
    compilerOptions { jvmTarget.set(JvmTarget.JVM_17) }
}

dependencies {
    implementation("com.google.ai.edge.litert:litert:2.3.0")
}

tasks.named("preBuild") {
    doFirst {
        check(exported.resolve("Classifier.kt").exists()) {
            "There is no $exported: run `tfprune export MODEL --android examples/android/exported` first, see README.md."
        }
    }
}
